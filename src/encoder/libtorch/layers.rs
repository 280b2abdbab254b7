//! Weights of the model room as libtorch tensors on a device, and the layers that they make.

use tch::{Device, Kind, TchError, Tensor};

use super::failure;
use crate::error::Result;
use crate::model::{self, Activation, Matrix};

/// `[rows, columns]` in f32, whatever the matrix is kept in.
pub(super) fn matrix(from: &Matrix, device: Device) -> Result<Tensor> {
    let mut to = Tensor::f_empty([size(from.rows), size(from.columns)], (Kind::Float, device))
        .map_err(failure)?;
    copy_matrix(from, &mut to)?;
    Ok(to)
}

/// Copies a matrix into a tensor of its shape, some rows at a time.
pub(super) fn copy_matrix(from: &Matrix, to: &mut Tensor) -> Result<()> {
    const VALUES_AT_A_TIME: usize = 1 << 20;
    let rows_at_a_time = (VALUES_AT_A_TIME / from.columns.max(1)).max(1);
    let mut values = vec![0.0; rows_at_a_time.min(from.rows) * from.columns];
    for first in (0..from.rows).step_by(rows_at_a_time) {
        let rows = rows_at_a_time.min(from.rows - first);
        let values = &mut values[..rows * from.columns];
        for (row, values) in values.chunks_exact_mut(from.columns).enumerate() {
            from.row(first + row, values);
        }
        let copy = || -> Result<(), TchError> {
            let source = Tensor::f_from_slice(values)?.f_view([size(rows), size(from.columns)])?;
            to.f_narrow(0, size(first), size(rows))?.f_copy_(&source)?;
            Ok(())
        };
        copy().map_err(failure)?;
    }
    Ok(())
}

/// A tensor of this shape from values in row order.
pub(super) fn array(values: &[f32], shape: &[usize], device: Device) -> Result<Tensor> {
    let shape: Vec<i64> = shape.iter().map(|&length| size(length)).collect();
    Tensor::f_from_slice(values)
        .and_then(|tensor| tensor.f_view(shape.as_slice())?.f_to_device(device))
        .map_err(failure)
}

/// Sizes of checked configurations are far below 2^63.
pub(super) fn size(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// `y = x · weightᵀ + bias`
pub(super) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub(super) fn new(from: &model::Linear, device: Device) -> Result<Self> {
        Ok(Linear {
            weight: matrix(&from.weight, device)?,
            bias: Some(array(&from.bias, &[from.bias.len()], device)?),
        })
    }

    pub(super) fn without_bias(weight: &Matrix, device: Device) -> Result<Self> {
        Ok(Linear { weight: matrix(weight, device)?, bias: None })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref())
    }
}

/// Layer norm over the last dimension.
pub(super) struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl Norm {
    pub(super) fn new(from: &model::Norm, epsilon: f32, device: Device) -> Result<Self> {
        let length = [from.weight.len()];
        Ok(Norm {
            weight: array(&from.weight, &length, device)?,
            bias: array(&from.bias, &length, device)?,
            epsilon: f64::from(epsilon),
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        let length = self.weight.size();
        x.layer_norm(length.as_slice(), Some(&self.weight), Some(&self.bias), self.epsilon, false)
    }
}

/// Applies the function to every value.
pub(super) fn activate(activation: Activation, x: &Tensor) -> Tensor {
    match activation {
        Activation::Gelu => x.gelu("none"),
        Activation::GeluTanh => x.gelu("tanh"),
        Activation::Relu => x.relu(),
        Activation::Tanh => x.tanh(),
    }
}
