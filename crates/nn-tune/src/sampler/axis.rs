//! A hyperparameter as an axis from 0 to 1.

use crate::{Domain, Scale, Value};

impl Domain {
    /// The number of choices, where there is no order among the values.
    pub(super) fn choices(&self) -> Option<usize> {
        match self {
            Domain::Choice { choices } => Some(choices.len()),
            _ => None,
        }
    }

    /// Whether the values are a continuum.
    pub(super) fn is_continuous(&self) -> bool {
        self.cardinality().is_none()
    }

    /// The part from 0 to 1 of the scale that a value has, from here to there: that which
    /// [`from_unit`](Domain::from_unit) takes to it. `None` for a value outside, and in a continuum, where values are
    /// points.
    pub(super) fn cell(&self, value: &Value) -> Option<[f64; 2]> {
        if let Domain::Int { low, high, scale: scale @ Scale::Log, step } = *self {
            let half = 0.5 * step as f64;
            let [from, to] = [scale.forward(low as f64 - half), scale.forward(high as f64 + half)];
            let x = value.as_f64().filter(|_| self.contains(value))?;
            let place = |x: f64| ((scale.forward(x) - from) / (to - from)).clamp(0.0, 1.0);
            return Some([x - half, x + half].map(place));
        }
        let (position, count) = (self.position(value)? as f64, self.cardinality()? as f64);
        Some([position / count, (position + 1.0) / count])
    }
}

#[cfg(test)]
mod tests {
    use crate::{Domain, Scale, Space, SpaceError, Value};

    #[test]
    fn cells_are_what_from_unit_takes_to_a_value() -> Result<(), SpaceError> {
        let space = Space::new()
            .integer("linear", -3, 4)?
            .integer_step("even", 2, 20, 2)?
            .log_integer("log", 1, 40)?
            .powers_of_two("power", 4, 64)?
            .uniform_step("step", 0.0, 0.5, 0.1)?
            .choice("choice", ["a", "b", "c"])?;
        for parameter in space.parameters() {
            let (name, domain) = (&parameter.name, &parameter.domain);
            let values: Vec<Value> = (0..domain.cardinality().unwrap_or(0)).map(|i| domain.nth(i)).collect();
            let mut end = 0.0;
            for value in values {
                let [low, high] = domain.cell(&value).expect("a value of the domain");
                assert!(
                    (low - end).abs() < 1e-12,
                    "{name}: {value} begins at {low}, the one before ends at {end}"
                );
                for u in [low + 1e-9, 0.5 * (low + high), high - 1e-9] {
                    assert_eq!(domain.from_unit(u), value, "{name} at {u}");
                }
                end = high;
            }
            assert!((end - 1.0).abs() < 1e-12, "{name} ends at {end}");
        }
        let continuum = Domain::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
        assert_eq!(continuum.cell(&Value::Float(0.5)), None);
        Ok(())
    }
}
