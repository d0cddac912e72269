//! Pictures in binary PPM, as GTSRB publishes them: three numbers in text, then bytes of red, green and blue.

/// Width, height and samples; the reason where it is no such file of eight bits with at most `most` pixels.
pub(super) fn read(bytes: &[u8], most: u64) -> Result<(usize, usize, &[u8]), String> {
    let mut rest = bytes.strip_prefix(b"P6").ok_or("it does not begin with P6")?;
    let mut numbers = [0u32; 3];
    for number in &mut numbers {
        (*number, rest) = next(rest)?;
    }
    let [width, height, depth] = numbers;
    let pixels = u64::from(width) * u64::from(height);
    if depth != 255 || pixels == 0 || pixels > most {
        return Err(format!("{width} x {height} pixels up to {depth}, expected 1 to {most} up to 255"));
    }
    // One white character ends the header.
    let samples = rest.get(1..).unwrap_or_default();
    let expected = usize::try_from(pixels * 3).map_err(|error| error.to_string())?;
    let samples = samples.get(..expected).ok_or(format!("{} bytes of {expected}", samples.len()))?;
    Ok((width as usize, height as usize, samples))
}

/// The next number, after white space and comments.
fn next(mut bytes: &[u8]) -> Result<(u32, &[u8]), String> {
    loop {
        match bytes {
            [c, rest @ ..] if c.is_ascii_whitespace() => bytes = rest,
            [b'#', rest @ ..] => {
                let end = rest.iter().position(|c| *c == b'\n').ok_or("a comment that does not end")?;
                bytes = &rest[end..];
            }
            _ => break,
        }
    }
    let digits = bytes.iter().take_while(|c| c.is_ascii_digit()).count();
    let number = std::str::from_utf8(&bytes[..digits]).ok().and_then(|digits| digits.parse().ok());
    Ok((number.ok_or("a number of the header is missing or too large")?, &bytes[digits..]))
}
