//! `loam upscale`: a picture at a larger size, into a PNG file.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use clap::Args;
use image::{ImageFormat, RgbImage};
use loam::input::Image;
use loam::task::UpscaleOptions;

use super::model::{AdapterArgs, ModelArgs};
use crate::console::{Console, Format};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::install::replace_file;

/// `loam upscale` as typed.
#[derive(Debug, Clone, Args)]
pub struct UpscaleArgs {
    /// A PNG, JPEG or WebP picture
    picture: PathBuf,
    /// The PNG file; '-' for standard output
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Makes the picture larger, and writes the file whole or not at all.
///
/// # Errors
/// The engine's, [`Error::Io`], and the console's.
pub fn run(args: &UpscaleArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let picture = Image::open(&args.picture)?;
    let engine = args.model.open(home)?;
    let options = UpscaleOptions { adapter: args.adapter.install(&engine, home)? };
    let made = engine.upscale(&picture, &options)?;
    let file = png(&made.image)?;
    if args.out == Path::new("-") {
        return Ok(console.write(&file)?);
    }
    replace_file(&args.out, &file)?;
    let (width, height) = (made.image.width(), made.image.height());
    if console.format() == Format::Json {
        console
            .json(&serde_json::json!({ "output": args.out, "width": width, "height": height, "trace": made.trace }))?;
    } else {
        console.line(args.out.display())?;
        let ms: f64 = made.trace.steps.iter().map(|step| step.ms).sum();
        console.note(format!("[{width} x {height} pixels in {ms:.0} ms · {}]", made.trace.summary()));
    }
    Ok(())
}

/// A PNG file of a picture.
///
/// # Errors
/// [`Error::Malformed`] where the encoder fails.
fn png(image: &Image) -> Result<Vec<u8>> {
    let side = |length: usize| u32::try_from(length).expect("invariant: sides of pictures are bounded");
    let pixels = RgbImage::from_raw(side(image.width()), side(image.height()), image.pixels().to_vec());
    let mut bytes = Cursor::new(Vec::new());
    let written = pixels.expect("invariant: three bytes a pixel").write_to(&mut bytes, ImageFormat::Png);
    written.map_err(|reason| Error::malformed("picture", "PNG file", reason))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use loam::input::PixelLayout;

    use super::*;

    #[test]
    fn pixels_survive_the_file() {
        let pixels: Vec<u8> = (0..5 * 3 * 3).map(|i| (i * 31 % 256) as u8).collect();
        let image = Image::from_pixels(&pixels, PixelLayout::Rgb, 5, 3).expect("picture");
        assert_eq!(Image::decode(&png(&image).expect("written")).expect("a PNG file"), image);
    }
}
