//! A safetensors file as named, checked tensors; nothing is copied until it is read.

use std::collections::HashMap;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::bytes::Bytes;
use crate::error::{Error, Result};

/// The tensors of one weights file.
#[derive(Debug)]
pub(crate) struct Tensors {
    file: String,
    tensors: HashMap<String, Tensor>,
}

/// One tensor as it lies in the file.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Bytes,
}

impl Tensors {
    /// Reads the header of `bytes` and checks every tensor's place and size against it.
    pub(crate) fn parse(file: &str, bytes: Bytes) -> Result<Self> {
        let wrong = |error: safetensors::SafeTensorError| Error::Weights {
            file: file.to_owned(),
            reason: error.to_string(),
        };
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(wrong)?;
        // The length field of the header itself stands before the header.
        let data = bytes.slice(header + size_of::<u64>()..bytes.len());
        let mut tensors = HashMap::new();
        for (name, info) in metadata.tensors() {
            let (start, end) = info.data_offsets;
            if start > end || end > data.len() {
                return Err(Error::Weights {
                    file: file.to_owned(),
                    reason: format!("tensor `{name}` ends at byte {end} of {}", data.len()),
                });
            }
            tensors.insert(
                name,
                Tensor {
                    dtype: info.dtype,
                    shape: info.shape.clone(),
                    data: data.slice(start..end),
                },
            );
        }
        Ok(Tensors { file: file.to_owned(), tensors })
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The tensor called `name`, which must have this `shape`.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<&Tensor> {
        let tensor = self.tensors.get(name).ok_or_else(|| Error::MissingTensor {
            file: self.file.clone(),
            tensor: name.to_owned(),
            shape: shape.to_vec(),
        })?;
        if tensor.shape != shape {
            return Err(self.wrong(
                name,
                format!("shape {shape:?}"),
                format!("shape {:?}", tensor.shape),
            ));
        }
        Ok(tensor)
    }

    /// A float vector of `length` finite values.
    pub(crate) fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        self.array(name, &[length])
    }

    /// Finite floats of any shape, in row order.
    pub(crate) fn array(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.get(name, shape)?;
        let mut values = vec![0.0; shape.iter().product()];
        self.float(name, tensor)?.read(0, &mut values);
        self.finite(name, &values)?;
        Ok(values)
    }

    /// A matrix `[rows, columns]` in any of the forms that [`Matrix`] knows.
    pub(crate) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix> {
        let stem = name.strip_suffix(".weight").unwrap_or(name);
        let scales = Some(format!("{stem}.scale")).filter(|scales| self.contains(scales));
        let values = match (self.tensors.get(name).map(|tensor| tensor.dtype), scales) {
            (Some(Dtype::I8), Some(scales)) => Values::Int8 {
                values: self.get(name, &[rows, columns])?.data.clone(),
                input_scales: self.input_scales(stem, columns)?,
                scales: self.vector(&scales, rows)?,
            },
            (Some(Dtype::U8), Some(scales))
                if columns.is_multiple_of(BLOCK) && self.has_shape(&scales, &[rows]) =>
            {
                let scales = self.vector(&scales, rows)?;
                if self.has_shape(name, &[rows, columns / 4]) {
                    let codes = self.get(name, &[rows, columns / 4])?.data.clone();
                    Values::Int2 { codes, scales }
                } else {
                    let nibbles = self.get(name, &[rows, columns / 2])?.data.clone();
                    Values::Int4Rows { nibbles, scales }
                }
            }
            (Some(Dtype::U8), Some(scales)) if columns.is_multiple_of(BLOCK) => {
                let blocks = columns / BLOCK;
                let scale = self.get(&scales, &[rows, blocks])?;
                if scale.dtype != Dtype::F16 {
                    return Err(self.wrong(&scales, "F16".into(), format!("{:?}", scale.dtype)));
                }
                Values::Int4 {
                    nibbles: self.get(name, &[rows, columns / 2])?.data.clone(),
                    scales: scale.data.clone(),
                }
            }
            _ => Values::Float(self.float(name, self.get(name, &[rows, columns])?)?),
        };
        let matrix = Matrix { rows, columns, values };
        self.finite_matrix(name, &matrix)?;
        Ok(matrix)
    }

    /// The tensor `X.input_scale` beside `X.weight`, if there is one.
    fn input_scales(&self, stem: &str, columns: usize) -> Result<Option<Vec<f32>>> {
        let name = format!("{stem}.input_scale");
        if !self.contains(&name) {
            return Ok(None);
        }
        let values = self.vector(&name, columns)?;
        match values.iter().find(|&&value| value < f32::MIN_POSITIVE) {
            None => Ok(Some(values)),
            Some(value) => Err(self.wrong(&name, "numbers above 0".into(), value.to_string())),
        }
    }

    fn float(&self, name: &str, tensor: &Tensor) -> Result<Float> {
        let data = tensor.data.clone();
        match tensor.dtype {
            Dtype::F32 => Ok(Float::F32(data)),
            Dtype::F16 => Ok(Float::F16(data)),
            Dtype::BF16 => Ok(Float::Bf16(data)),
            other => Err(self.wrong(
                name,
                "F32, F16 or BF16 (or I8 or U8 with a `.scale` beside it)".into(),
                format!("{other:?}"),
            )),
        }
    }

    fn has_shape(&self, name: &str, shape: &[usize]) -> bool {
        self.tensors.get(name).is_some_and(|tensor| tensor.shape == shape)
    }

    fn finite_matrix(&self, name: &str, matrix: &Matrix) -> Result<()> {
        let mut row = vec![0.0; matrix.columns];
        match &matrix.values {
            // The scales were read by `vector`, and an integer times a finite scale is finite.
            Values::Int8 { .. } | Values::Int4Rows { .. } | Values::Int2 { .. } => Ok(()),
            Values::Int4 { scales, .. } => {
                let mut scale = [0.0];
                (0..scales.len() / 2).try_for_each(|i| {
                    Float::F16(scales.clone()).read(i, &mut scale);
                    self.finite(name, &scale)
                })
            }
            Values::Float(_) => (0..matrix.rows).try_for_each(|r| {
                matrix.row(r, &mut row);
                self.finite(name, &row)
            }),
        }
    }

    fn finite(&self, name: &str, values: &[f32]) -> Result<()> {
        match values.iter().find(|value| !value.is_finite()) {
            None => Ok(()),
            Some(value) => Err(self.wrong(name, "finite numbers".into(), value.to_string())),
        }
    }

    fn wrong(&self, tensor: &str, expected: String, found: String) -> Error {
        Error::Tensor { file: self.file.clone(), tensor: tensor.to_owned(), expected, found }
    }
}

/// Values that share one scale in a 4-bit row.
const BLOCK: usize = 32;

/// A matrix in row order, in the precision that it has in the file.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Values,
}

/// How the numbers of a [`Matrix`] are kept.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// Floats.
    Float(Float),
    /// `value = byte as i8 · scale of the row`, and `· scale of the column` if there are such.
    Int8 {
        /// `[rows, columns]`, one signed byte each.
        values: Bytes,
        /// One scale a row.
        scales: Vec<f32>,
        /// One scale a column. Inputs multiplied by it are alike in size, so that they share their codes well (SmoothQuant, Xiao
        /// et al. 2023).
        input_scales: Option<Vec<f32>>,
    },
    /// Blocks of 32 along the row; byte `i` of a block's sixteen holds value `i` in its low and value
    /// `i + 16` in its high nibble; `value = (nibble − 8) · scale of the block` (the Q4_0 of GGML).
    Int4 {
        /// `[rows, columns / 2]`.
        nibbles: Bytes,
        /// `[rows, columns / 32]` f16.
        scales: Bytes,
    },
    /// `value = (nibble − 8) · scale of the row`, nibbles in the order of [`Values::Int4`].
    Int4Rows {
        /// `[rows, columns / 2]`.
        nibbles: Bytes,
        /// One scale a row.
        scales: Vec<f32>,
    },
    /// Blocks of 32 along the row; byte `i` of a block's eight holds the values `i`, `i + 8`, `i + 16`,
    /// `i + 24`, two bits each, from the lowest on; `value = (code − 2) · scale of the row`.
    Int2 {
        /// `[rows, columns / 4]`.
        codes: Bytes,
        /// One scale a row.
        scales: Vec<f32>,
    },
}

/// The sixteen bytes of a block of nibbles, less 8, as its 32 values.
fn widen_nibbles(block: [u8; BLOCK / 2]) -> [i8; BLOCK] {
    std::array::from_fn(|i| {
        let byte = block[i % (BLOCK / 2)];
        (if i < BLOCK / 2 { byte & 15 } else { byte >> 4 }).cast_signed() - 8
    })
}

/// Row `row` of nibbles as f32; `scale` gives that of a block by its number in the matrix.
fn widen_row(nibbles: &[u8], row: usize, out: &mut [f32], scale: impl Fn(usize) -> f32) {
    let (blocks, _) = out.as_chunks_mut::<BLOCK>();
    let first = row * blocks.len();
    let nibbles = &nibbles.as_chunks::<{ BLOCK / 2 }>().0[first..];
    for (i, (to, from)) in blocks.iter_mut().zip(nibbles).enumerate() {
        let scale = scale(first + i);
        *to = widen_nibbles(*from).map(|q| f32::from(q) * scale);
    }
}

/// Little-endian floats.
#[derive(Clone, Debug)]
pub(crate) enum Float {
    F32(Bytes),
    F16(Bytes),
    Bf16(Bytes),
}

impl Float {
    /// Reads `out.len()` values from value number `start` on.
    fn read(&self, start: usize, out: &mut [f32]) {
        fn widen<const N: usize>(
            bytes: &[u8],
            start: usize,
            out: &mut [f32],
            value: impl Fn([u8; N]) -> f32,
        ) {
            let (values, _) = bytes[start * N..].as_chunks::<N>();
            for (to, from) in out.iter_mut().zip(values) {
                *to = value(*from);
            }
        }
        match self {
            Float::F32(bytes) => widen(bytes, start, out, f32::from_le_bytes),
            Float::F16(bytes) => widen(bytes, start, out, |b| f16::from_le_bytes(b).to_f32()),
            Float::Bf16(bytes) => widen(bytes, start, out, |b| bf16::from_le_bytes(b).to_f32()),
        }
    }
}

impl Matrix {
    /// The scale of each column, where there are such.
    pub(crate) fn input_scales(&self) -> Option<&[f32]> {
        match &self.values {
            Values::Int8 { input_scales, .. } => input_scales.as_deref(),
            _ => None,
        }
    }

    /// Writes the integers of row `row` to `out`, which has one place a column, and gives back their scale: of matrices that
    /// have one a row, and integers of a byte or half of one. ([`input_scales`](Self::input_scales) are yet to be applied.)
    pub(crate) fn codes(&self, row: usize, out: &mut [i8]) -> Option<f32> {
        assert_eq!(out.len(), self.columns);
        match &self.values {
            Values::Int8 { values, scales, .. } => {
                let values = &values[row * self.columns..];
                out.iter_mut().zip(values).for_each(|(to, q)| *to = q.cast_signed());
                Some(scales[row])
            }
            Values::Int4Rows { nibbles, scales } => {
                let (blocks, _) = out.as_chunks_mut::<BLOCK>();
                let (nibbles, _) = nibbles.as_chunks::<{ BLOCK / 2 }>();
                let nibbles = &nibbles[row * blocks.len()..];
                blocks.iter_mut().zip(nibbles).for_each(|(to, from)| *to = widen_nibbles(*from));
                Some(scales[row])
            }
            Values::Float(_) | Values::Int4 { .. } | Values::Int2 { .. } => None,
        }
    }

    /// Whether its rows have [`codes`](Self::codes).
    pub(crate) fn has_codes(&self) -> bool {
        matches!(self.values, Values::Int8 { .. } | Values::Int4Rows { .. })
    }

    /// Writes row `row` as f32 to `out`, which has one place a column.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        assert_eq!(out.len(), self.columns);
        match &self.values {
            Values::Float(float) => float.read(row * self.columns, out),
            Values::Int8 { values, scales, input_scales } => {
                let scale = scales[row];
                for (to, &q) in out.iter_mut().zip(&values[row * self.columns..]) {
                    *to = f32::from(q.cast_signed()) * scale;
                }
                if let Some(scales) = input_scales {
                    out.iter_mut().zip(scales).for_each(|(x, scale)| *x *= scale);
                }
            }
            Values::Int4 { nibbles, scales } => {
                let (scales, _) = scales.as_chunks::<2>();
                widen_row(nibbles, row, out, |block| f16::from_le_bytes(scales[block]).to_f32());
            }
            Values::Int4Rows { nibbles, scales } => {
                widen_row(nibbles, row, out, |_| scales[row]);
            }
            Values::Int2 { codes, scales } => {
                let (blocks, _) = out.as_chunks_mut::<BLOCK>();
                let first = row * blocks.len();
                let (codes, _) = codes.as_chunks::<{ BLOCK / 4 }>();
                for (block, codes) in blocks.iter_mut().zip(&codes[first..]) {
                    for (quarter, to) in
                        block.as_chunks_mut::<{ BLOCK / 4 }>().0.iter_mut().enumerate()
                    {
                        for (to, &byte) in to.iter_mut().zip(codes) {
                            *to = (f32::from(byte >> (2 * quarter) & 3) - 2.0) * scales[row];
                        }
                    }
                }
            }
        }
    }
}
