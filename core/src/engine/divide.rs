//! Inputs divided between a component's delegate and the processor.

use super::trace::Part;
use crate::dispatch::{Placement, Ran, Reason};
use crate::error::Result;

impl Part {
    /// What a component makes of `inputs`: of each by its delegate, where `on_delegate` does not say why not, and of all others
    /// together by `on_processor`, which gives a result for each.
    ///
    /// # Errors
    /// Those of `on_processor`; [`crate::Error::Delegate`] where the engine is strict.
    pub(crate) fn divide<I, O>(
        &self,
        inputs: Vec<I>,
        on_delegate: impl Fn(&Placement, &I) -> Result<O, Reason>,
        on_processor: impl FnOnce(Vec<I>) -> Result<Vec<O>>,
    ) -> Result<(Vec<O>, Ran)> {
        let placement = match self.place.delegate() {
            Ok(placement) => placement,
            Err(reason) => {
                let ran = reason.map_or(Ok(Ran::default()), |reason| self.fall_back(reason))?;
                return Ok((on_processor(inputs)?, ran));
            }
        };
        let (mut made, mut left, mut ran) = (Vec::with_capacity(inputs.len()), Vec::new(), Ran::default());
        for input in inputs {
            match on_delegate(&placement, &input) {
                Ok(output) => {
                    made.push(Some(output));
                    ran.with(Ran { backend: Some(placement.backend().to_owned()), reason: None });
                }
                Err(reason) => {
                    ran.with(self.fall_back(reason)?);
                    made.push(None);
                    left.push(input);
                }
            }
        }
        let mut others = if left.is_empty() { Vec::new() } else { on_processor(left)? }.into_iter();
        Ok((made.into_iter().filter_map(|output| output.or_else(|| others.next())).collect(), ran))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::budget::{Budget, MemoryLimits};
    use crate::dispatch::Strictness;
    use crate::engine::trace::Loading;

    /// Doubles on the delegate, which takes even numbers alone, and adds a hundred on the processor.
    fn divide(part: &Part, inputs: &[u32]) -> Result<(Vec<u32>, Ran)> {
        let on_delegate = |_: &Placement, input: &u32| match input % 2 {
            0 => Ok(input * 2),
            _ => Err(Reason::TooLong { length: *input as usize, most: 0 }),
        };
        part.divide(inputs.to_vec(), on_delegate, |inputs| Ok(inputs.iter().map(|input| input + 100).collect()))
    }

    fn placed(strictness: Strictness) -> Part {
        let part = Part::new("text", 0, Loading::First);
        assert!(part.place.begin(strictness));
        let held = Budget::new(&MemoryLimits::default()).take(0).expect("nothing");
        part.place.move_to(Arc::new(Placement::new("npu", Vec::new(), held)));
        part
    }

    #[test]
    fn results_keep_the_order_of_inputs_and_the_first_reason_is_told() {
        let alone = Part::new("text", 0, Loading::First);
        assert_eq!(divide(&alone, &[1, 2]).expect("made"), (vec![101, 102], Ran::default()));
        let part = placed(Strictness::Fallback);
        let (made, ran) = divide(&part, &[2, 3, 4, 5, 6]).expect("made");
        assert_eq!(made, [4, 103, 8, 105, 12]);
        assert_eq!(ran, Ran { backend: Some("npu".to_owned()), reason: Some(Reason::TooLong { length: 3, most: 0 }) });
        assert!(divide(&part, &[]).expect("nothing").0.is_empty());
        assert!(divide(&placed(Strictness::Strict), &[2, 3]).is_err());
        alone.place.stay(Reason::NotCompiled);
        let (made, ran) = divide(&alone, &[2]).expect("made");
        assert_eq!((made, ran), (vec![102], Ran::on_processor(Some(Reason::NotCompiled))));
    }
}
