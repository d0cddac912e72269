//! The prior's normalising flow: affine coupling layers whose shifts come from `WaveNet` stacks.

use super::config::VitsConfig;
use super::convolution::Series;
use crate::arena::Room;
use crate::error::Result;
use crate::model::layer::{Bias, Loader};
use crate::pool;

/// The flow, run backwards: from the text's prior to the decoder's latents.
#[derive(Debug)]
pub(super) struct Flow {
    couplings: Vec<Coupling>,
    latents: usize,
}

#[derive(Debug)]
struct Coupling {
    pre: Series,
    wavenet: WaveNet,
    post: Series,
}

impl Flow {
    pub(super) fn load(loader: &mut Loader<'_>, config: &VitsConfig) -> Result<Self> {
        let (half, width) = (config.latents / 2, config.width);
        let coupling = |i: usize| {
            let module = format!("flow.flows.{i}");
            Ok(Coupling {
                pre: Series::load(loader, &format!("{module}.conv_pre"), [half, width], [1, 1], Bias::Required)?,
                wavenet: WaveNet::load(loader, &format!("{module}.wavenet"), config)?,
                post: Series::load(loader, &format!("{module}.conv_post"), [width, half], [1, 1], Bias::Required)?,
            })
        };
        Ok(Self { couplings: (0..config.flows).map(coupling).collect::<Result<_>>()?, latents: config.latents })
    }

    /// Transforms `[frames, latents]` in place.
    pub(super) fn invert(&self, x: &mut [f32], speaker: Option<&[f32]>) {
        let half = self.latents / 2;
        for coupling in self.couplings.iter().rev() {
            pool::rows(x, self.latents, |_, row| row.reverse());
            let first: Vec<f32> = x.chunks_exact(self.latents).flat_map(|row| &row[..half]).copied().collect();
            let shift = coupling.post.forward(&coupling.wavenet.forward(coupling.pre.forward(&first), speaker));
            for (row, shift) in x.chunks_exact_mut(self.latents).zip(shift.chunks_exact(half)) {
                row[half..].iter_mut().zip(shift).for_each(|(x, s)| *x -= s);
            }
        }
    }
}

/// Gated dilated convolutions with skip connections (van den Oord et al. 2016, arXiv 1609.03499).
#[derive(Debug)]
struct WaveNet {
    layers: Vec<[Series; 2]>,
    speaker: Option<Series>,
    width: usize,
}

impl WaveNet {
    fn load(loader: &mut Loader<'_>, module: &str, config: &VitsConfig) -> Result<Self> {
        let (width, count) = (config.width, config.wavenet_layers);
        let speaker = if config.speaker_width == 0 {
            None
        } else {
            let channels = [config.speaker_width, 2 * width * count];
            Some(Series::load(loader, &format!("{module}.cond_layer"), channels, [1, 1], Bias::Required)?)
        };
        let mut layer = |i: usize| {
            let power = u32::try_from(i).expect("invariant: counts are bounded");
            let taps = [config.wavenet_kernel, config.wavenet_dilation.pow(power)];
            // The last layer has nothing to pass on.
            let outputs = if i + 1 < count { 2 * width } else { width };
            let gate =
                Series::load(loader, &format!("{module}.in_layers.{i}"), [width, 2 * width], taps, Bias::Required)?;
            let out = format!("{module}.res_skip_layers.{i}");
            Ok([gate, Series::load(loader, &out, [width, outputs], [1, 1], Bias::Required)?])
        };
        let layers = (0..count).map(&mut layer).collect::<Result<_>>()?;
        Ok(Self { layers, speaker, width })
    }

    /// `[frames, width]` to the same.
    fn forward(&self, mut x: Room, speaker: Option<&[f32]>) -> Room {
        let width = self.width;
        let condition = self.speaker.as_ref().zip(speaker).map(|(layer, speaker)| layer.forward(speaker));
        let mut out = Room::zeros(x.len());
        for (i, [gate, skip]) in self.layers.iter().enumerate() {
            let gates = gate.forward(&x);
            let own = condition.as_ref().map(|c| &c[i * 2 * width..(i + 1) * 2 * width]);
            let mut gated = Room::new(x.len());
            pool::rows(&mut gated, width, |row, y| {
                let gates = &gates[row * 2 * width..(row + 1) * 2 * width];
                for (channel, y) in y.iter_mut().enumerate() {
                    let at = |c: usize| gates[c] + own.map_or(0.0, |own| own[c]);
                    *y = at(channel).tanh() / (1.0 + (-at(width + channel)).exp());
                }
            });
            let passed = skip.forward(&gated);
            let last = i + 1 == self.layers.len();
            let row = if last { width } else { 2 * width };
            for ((passed, x), out) in
                passed.chunks_exact(row).zip(x.chunks_exact_mut(width)).zip(out.chunks_exact_mut(width))
            {
                if !last {
                    x.iter_mut().zip(&passed[..width]).for_each(|(x, p)| *x += p);
                }
                out.iter_mut().zip(&passed[row - width..]).for_each(|(y, p)| *y += p);
            }
        }
        out
    }
}
