//! Rounding of weights that makes up for itself: what one column loses is taken from the columns that are still to be rounded, as
//! the inputs that were seen go together (Frantar et al., "GPTQ", arXiv 2210.17323).

/// Added to the diagonal, of its mean: inputs that were never seen do not make the matrix singular.
const DAMPING: f64 = 0.01;

/// What is known of a linear's inputs: the upper factor of the inverse of their second moments.
#[derive(Debug)]
pub(super) struct Moments {
    width: usize,
    /// `[width, width]`, upper triangular.
    factor: Vec<f32>,
}

impl Moments {
    /// Of rows `[rows, width]`; `None` for none, or where the factor does not exist.
    pub(super) fn of(values: &[f32], width: usize) -> Option<Self> {
        if width == 0 || values.len() < width {
            return None;
        }
        let mut moments = vec![0.0f64; width * width];
        let mut columns = vec![0.0f32; values.len()];
        let rows = values.len() / width;
        for (row, values) in values.chunks_exact(width).enumerate() {
            values.iter().enumerate().for_each(|(column, value)| columns[column * rows + row] = *value);
        }
        let column = |at: usize| &columns[at * rows..(at + 1) * rows];
        let mut lower = vec![0.0f32; width * width];
        each_row(&mut lower, width, |at, out| {
            for (other, out) in out[..=at].iter_mut().enumerate() {
                *out = dot(column(at), column(other));
            }
        });
        for at in 0..width {
            for other in 0..=at {
                let value = f64::from(lower[at * width + other]);
                moments[at * width + other] = value;
                moments[other * width + at] = value;
            }
        }
        let mean = (0..width).map(|at| moments[at * width + at]).sum::<f64>() / width as f64;
        (0..width).for_each(|at| moments[at * width + at] += DAMPING * mean + f64::MIN_POSITIVE);
        let lower = cholesky(&moments, width)?;
        let inverse = inverse(&lower, width);
        // The upper factor of the inverse is the transposed lower one.
        let lower = cholesky(&inverse, width)?;
        let factor = (0..width * width).map(|at| lower[at % width * width + at / width] as f32).collect();
        Some(Self { width, factor })
    }

    /// Codes from `-most` to `most` of `weights` `[out, width]`, with a step for each row.
    pub(super) fn round(&self, weights: &[f32], scales: &[f32], most: f32) -> Vec<i32> {
        let width = self.width;
        let mut left = weights.to_vec();
        each_row(&mut left, width, |row, left| {
            for at in 0..width {
                let factor = &self.factor[at * width..(at + 1) * width];
                let code = (left[at] / scales[row]).round_ties_even().clamp(-most, most);
                let lost = (left[at] - code * scales[row]) / factor[at];
                left[at] = code;
                left[at + 1..].iter_mut().zip(&factor[at + 1..]).for_each(|(value, factor)| *value -= lost * factor);
            }
        });
        left.into_iter().map(|code| code as i32).collect()
    }
}

/// Sums in lanes, as the processor adds them side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (mut lanes, (a, rest_a), (b, rest_b)) = ([0.0f32; 16], a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    lanes.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

/// Calls `work` with each row's number and values, on all cores.
fn each_row(items: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Rows of a triangle differ in work: each thread takes every so many.
    let mut shares: Vec<Vec<(usize, &mut [f32])>> = (0..threads).map(|_| Vec::new()).collect();
    items.chunks_exact_mut(width).enumerate().for_each(|(at, row)| shares[at % threads].push((at, row)));
    std::thread::scope(|scope| {
        for share in shares {
            scope.spawn(|| share.into_iter().for_each(|(at, row)| work(at, row)));
        }
    });
}

/// The lower factor of a symmetric matrix; `None` where it is not positive.
fn cholesky(matrix: &[f64], width: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0f64; width * width];
    for at in 0..width {
        for other in 0..=at {
            let (a, b) = (&lower[at * width..at * width + other], &lower[other * width..other * width + other]);
            let rest = matrix[at * width + other] - a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            if at == other {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                lower[at * width + at] = rest.sqrt();
            } else {
                lower[at * width + other] = rest / lower[other * width + other];
            }
        }
    }
    Some(lower)
}

/// The inverse of the matrix that a lower factor is of.
fn inverse(lower: &[f64], width: usize) -> Vec<f64> {
    // Columns of the factor's inverse, each solved forward.
    let mut solved = vec![0.0f64; width * width];
    for column in 0..width {
        for row in column..width {
            let from = &lower[row * width + column..row * width + row];
            let known = &solved[column * width + column..column * width + row];
            let unit = if row == column { 1.0 } else { 0.0 };
            let rest = unit - from.iter().zip(known).map(|(a, b)| a * b).sum::<f64>();
            solved[column * width + row] = rest / lower[row * width + row];
        }
    }
    let mut inverse = vec![0.0f64; width * width];
    for a in 0..width {
        for b in 0..=a {
            let (x, y) = (&solved[a * width + a..(a + 1) * width], &solved[b * width + a..(b + 1) * width]);
            let value = x.iter().zip(y).map(|(x, y)| x * y).sum();
            inverse[a * width + b] = value;
            inverse[b * width + a] = value;
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(seed: u32, count: usize) -> Vec<f32> {
        let mut state = seed;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn products_lose_less_than_by_rounding_to_the_nearest() {
        let (width, outputs, rows) = (24, 16, 200);
        // Inputs that go together: mixtures of six.
        let (mixed, mixing) = (values(1, rows * 6), values(2, 6 * width));
        let mut inputs = values(3, rows * width);
        for (row, input) in inputs.chunks_exact_mut(width).enumerate() {
            for (at, value) in input.iter_mut().enumerate() {
                *value = 0.05 * *value + (0..6).map(|k| mixed[row * 6 + k] * mixing[k * width + at]).sum::<f32>();
            }
        }
        let weights = values(4, outputs * width);
        let scales = vec![1.0 / 7.0; outputs];
        let nearest: Vec<i32> = weights.iter().map(|w| (w * 7.0).round_ties_even().clamp(-7.0, 7.0) as i32).collect();
        let moments = Moments::of(&inputs, width).expect("moments");
        let rounded = moments.round(&weights, &scales, 7.0);
        assert!(rounded.iter().all(|code| code.abs() <= 7));
        let loss = |codes: &[i32]| -> f64 {
            let mut sum = 0.0;
            for x in inputs.chunks_exact(width) {
                for (row, weights) in weights.chunks_exact(width).enumerate() {
                    let lost: f32 = (0..width).map(|i| x[i] * (weights[i] - codes[row * width + i] as f32 / 7.0)).sum();
                    sum += f64::from(lost * lost);
                }
            }
            sum
        };
        let (before, after) = (loss(&nearest), loss(&rounded));
        assert!(after < 0.5 * before, "{after} of {before}");
        // Weights that codes hold exactly stay.
        let exact: Vec<f32> = nearest.iter().map(|code| *code as f32 / 7.0).collect();
        assert_eq!(moments.round(&exact, &scales, 7.0), nearest);
        assert!(Moments::of(&[], 4).is_none());
    }
}
