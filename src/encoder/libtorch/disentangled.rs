//! DeBERTa's attention between contents and relative positions.
//!
//! He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention" (2021), equations 2 to 4, with
//! the logarithmic buckets of version 2, as transformers computes them.

use tch::{Device, Tensor};

use super::layers::{Linear, Norm, matrix, size};
use super::transformer::split_heads;
use crate::error::Result;
use crate::model::Config;
use crate::model::deberta::{self, DebertaWeights, Settings};

/// Relative positions as each layer projects them.
pub(super) struct Relative {
    settings: deberta::Relative,
    layers: Vec<Projected>,
}

/// `[1, heads, 2 · span, hidden / heads]` each.
struct Projected {
    /// For content to position.
    key: Option<Tensor>,
    /// For position to content.
    query: Option<Tensor>,
}

/// For each pair of tokens, the row of its distance.
pub(super) struct Distances {
    /// `[queries, keys]`: that of query − key.
    forth: Tensor,
    /// `[keys, queries]`: that of the same distance, seen from the key.
    back: Tensor,
}

impl Relative {
    /// The projections depend on weights alone, so they are computed here once.
    pub(super) fn new(
        config: &Config,
        settings: &Settings,
        from: &DebertaWeights,
        device: Device,
    ) -> Result<Option<Self>> {
        let (Some(relative), Some(table)) = (settings.relative, &from.relative) else {
            return Ok(None);
        };
        let mut table = matrix(table, device)?;
        if let Some(norm) = &from.relative_norm {
            table = Norm::new(norm, config.norm_epsilon, device)?.forward(&table);
        }
        let table = table.unsqueeze(0);
        let project = |linear, wanted: bool| -> Result<Option<Tensor>> {
            if !wanted {
                return Ok(None);
            }
            let projected = Linear::new(linear, device)?.forward(&table);
            Ok(Some(split_heads(&projected, size(config.heads)).contiguous()))
        };
        let layers = from.layers.iter().map(|own| {
            let key = own.position_key.as_ref().unwrap_or(&own.layer.key);
            let query = own.position_query.as_ref().unwrap_or(&own.layer.query);
            Ok(Projected {
                key: project(key, settings.content_to_position)?,
                query: project(query, settings.position_to_content)?,
            })
        });
        Ok(Some(Relative { settings: relative, layers: layers.collect::<Result<_>>()? }))
    }

    /// For hidden states `[sequences, tokens, hidden]`.
    pub(super) fn distances(&self, x: &Tensor) -> Distances {
        let tokens = x.size()[1];
        let span = size(self.settings.span);
        // The rows of all distances that there are, from the lowest on.
        let rows: Vec<i64> =
            (1 - tokens..tokens).map(|distance| bucket(&self.settings, distance)).collect();
        let table = |row: &dyn Fn(i64) -> i64| {
            let pairs = (0..tokens).flat_map(|i| (0..tokens).map(move |j| i - j));
            let place = |distance: i64| usize::try_from(distance + tokens - 1).unwrap_or(0);
            let rows: Vec<i64> = pairs
                .map(|distance| (row(rows[place(distance)]) + span).clamp(0, 2 * span - 1))
                .collect();
            Tensor::from_slice(&rows).view([1, 1, tokens, tokens]).to_device(x.device())
        };
        Distances { forth: table(&|bucket| bucket), back: table(&|bucket| -bucket) }
    }

    /// What attention in layer number `layer` needs.
    pub(super) fn of_layer<'a>(&'a self, layer: usize, distances: &'a Distances) -> Positions<'a> {
        Positions { projected: &self.layers[layer], distances }
    }
}

/// Relative positions for one layer and one batch.
pub(super) struct Positions<'a> {
    projected: &'a Projected,
    distances: &'a Distances,
}

impl Positions<'_> {
    /// What is added to the products of queries and keys, before scaling:
    /// `[sequences, heads, queries, keys]`. `None`: nothing.
    pub(super) fn scores(&self, query: &Tensor, key: &Tensor) -> Option<Tensor> {
        let look_up = |scores: Tensor, rows: &Tensor| {
            let shape = [scores.size()[0], scores.size()[1], rows.size()[2], rows.size()[3]];
            scores.gather(-1, &rows.expand(shape, true), false)
        };
        let forth = self.projected.key.as_ref().map(|positions| {
            look_up(query.matmul(&positions.transpose(-1, -2)), &self.distances.forth)
        });
        let back = self.projected.query.as_ref().map(|positions| {
            let scores = key.matmul(&positions.transpose(-1, -2));
            look_up(scores, &self.distances.back).transpose(-1, -2)
        });
        match (forth, back) {
            (Some(forth), Some(back)) => Some(forth + back),
            (forth, back) => forth.or(back),
        }
    }
}

/// The distance itself while it is small, then one on a logarithmic scale.
fn bucket(relative: &deberta::Relative, distance: i64) -> i64 {
    let Some(buckets) = relative.buckets else { return distance };
    let middle = size(buckets / 2);
    let absolute = distance.abs();
    if absolute <= middle {
        return distance;
    }
    // In f32, as transformers computes it: a bucket's border is a matter of rounding.
    let middle_f32 = middle as f32;
    let share =
        (absolute as f32 / middle_f32).ln() / ((relative.farthest as f32 - 1.0) / middle_f32).ln();
    let bucket = (share * (middle_f32 - 1.0)).ceil() + middle_f32;
    bucket as i64 * distance.signum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_stand_for_themselves_and_far_ones_share_a_bucket() {
        let relative = deberta::Relative {
            span: 256,
            buckets: Some(256),
            farthest: 512,
            shared_projections: true,
            norm: true,
        };
        // From transformers' `make_log_bucket_position`.
        let expected = [(0, 0), (1, 1), (127, 127), (128, 128), (129, 129), (130, 130), (200, 169)];
        for (distance, row) in expected {
            assert_eq!(bucket(&relative, distance), row, "{distance}");
            assert_eq!(bucket(&relative, -distance), -row, "-{distance}");
        }
        assert_eq!(bucket(&relative, 511), 255);
    }
}
