//! Where the libtorch backend computes.

use std::fmt;

/// Where [`Backend::RustBert`](crate::Backend::RustBert) computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The CUDA device of this number, from 0 on; an error if libtorch sees no such device.
    Cuda(usize),
    /// The first CUDA device if libtorch sees one, else the processor.
    Best,
}

/// `cpu`, `cuda:0`, `best`.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
            Device::Best => f.write_str("best"),
        }
    }
}
