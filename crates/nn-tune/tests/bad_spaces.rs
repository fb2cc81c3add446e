//! What is wrong with a space or its values is said, by name.

use nn_tune::{Params, Space, Value};

#[test]
fn spaces_that_cannot_be_searched() {
    let space = Space::new;
    let layers = || space().integer("layers", 1, 3).unwrap();
    let cases = [
        (space().uniform("x", 1.0, 1.0), "`x`: expected finite bounds, the lowest first, got 1 to 1"),
        (space().uniform("x", 2.0, 1.0), "`x`: expected finite bounds, the lowest first, got 2 to 1"),
        (space().uniform("x", f64::NAN, 1.0), "`x`: expected finite bounds, the lowest first, got NaN to 1"),
        (space().uniform("x", 0.0, f64::NAN), "`x`: expected finite bounds, the lowest first, got 0 to NaN"),
        (
            space().uniform("x", 0.0, f64::INFINITY),
            "`x`: expected finite bounds, the lowest first, got 0 to inf",
        ),
        (
            space().log_uniform("x", 0.0, 1.0),
            "`x`: expected bounds above 0, for a logarithmic scale, got 0 to 1",
        ),
        (
            space().log_uniform("x", -1.0, 1.0),
            "`x`: expected bounds above 0, for a logarithmic scale, got -1 to 1",
        ),
        (
            space().one_minus_log_uniform("x", 0.9, 1.0),
            "`x`: expected bounds below 1, for a logarithmic scale of 1 − x, got 0.9 to 1",
        ),
        (
            space().uniform_step("x", 0.0, 1.0, 0.3),
            "`x`: expected a step above 0 that divides the range, got 0 to 1 in steps of 0.3",
        ),
        (
            space().uniform_step("x", 0.0, 1.0, 0.0),
            "`x`: expected a step above 0 that divides the range, got 0 to 1 in steps of 0",
        ),
        (
            space().uniform_step("x", 0.0, 1.0, -0.5),
            "`x`: expected a step above 0 that divides the range, got 0 to 1 in steps of -0.5",
        ),
        (
            space().uniform_step("x", 0.0, 1.0, f64::INFINITY),
            "`x`: expected a step above 0 that divides the range, got 0 to 1 in steps of inf",
        ),
        (
            space().uniform_step("x", 0.0, 1.0, f64::NAN),
            "`x`: expected a step above 0 that divides the range, got 0 to 1 in steps of NaN",
        ),
        (
            space().uniform_step("x", 1e9, 1e9 + 1.0, 0.5),
            "`x`: expected a step of at least 1e-7 of the bounds, got 1000000000 to 1000000001 in steps of 0.5",
        ),
        (space().integer("n", 3, 3), "`n`: expected bounds, the lowest first, got 3 to 3"),
        (space().integer("n", 3, -3), "`n`: expected bounds, the lowest first, got 3 to -3"),
        (
            space().integer_step("n", 0, 10, 3),
            "`n`: expected a step above 0 that divides the range, got 0 to 10 in steps of 3",
        ),
        (
            space().integer_step("n", 0, 10, 0),
            "`n`: expected a step above 0 that divides the range, got 0 to 10 in steps of 0",
        ),
        (
            space().integer_step("n", 0, 10, i64::MIN),
            "`n`: expected a step above 0 that divides the range, got 0 to 10 in steps of -9223372036854775808",
        ),
        (
            space().integer("n", i64::MIN, i64::MAX),
            "`n`: expected fewer than 2⁶⁴ values, got -9223372036854775808 to 9223372036854775807",
        ),
        (
            space().log_integer("n", 0, 10),
            "`n`: expected bounds above 0, for a logarithmic scale, got 0 to 10",
        ),
        (
            space().log_integer("n", -4, 10),
            "`n`: expected bounds above 0, for a logarithmic scale, got -4 to 10",
        ),
        (
            space().log_integer_step("n", 1, 101, 10),
            "`n`: expected a lowest bound of at least the step, for a logarithmic scale, got 1 to 101 in steps of 10",
        ),
        (space().powers_of_two("n", 16, 48), "`n`: expected powers of two, the lowest first, got 16 to 48"),
        (space().powers_of_two("n", 64, 16), "`n`: expected powers of two, the lowest first, got 64 to 16"),
        (space().powers_of_two("n", 0, 16), "`n`: expected powers of two, the lowest first, got 0 to 16"),
        (space().choice("c", Vec::<Value>::new()), "`c`: expected at least one choice, got none"),
        (space().choice("c", ["a", "b", "a"]), "`c`: expected choices that differ, got a twice"),
        (
            space().choice("c", [Value::Int(1), Value::Float(1.0)]),
            "`c`: expected choices that differ, got 1 twice",
        ),
        (space().choice("c", [0.0, f64::NAN]), "`c`: expected choices that can be compared, got NaN"),
        (layers().uniform("layers", 0.0, 1.0), "`layers` is in the space already"),
        (
            layers().when("layer", 2.., |space| space.boolean("b")),
            "the condition looks at `layer`, but there is only: [\"layers\"]",
        ),
        (
            layers().when("layers", 4.., |space| space.boolean("b")),
            "the condition on `layers` never holds: at least 4",
        ),
        (
            layers().when("layers", "relu", |space| space.boolean("b")),
            "the condition on `layers` never holds: one of relu",
        ),
        (layers().when("layers", 2.., |space| space.uniform("x", 1.0, 0.0)), {
            "`x`: expected finite bounds, the lowest first, got 1 to 0"
        }),
    ];
    for (space, message) in cases {
        assert_eq!(space.unwrap_err().to_string(), message);
    }
    let wide = space().uniform("x", -1e308, 1e308).unwrap_err().to_string();
    assert!(wide.starts_with("`x`: expected bounds whose difference is finite, got -1"), "{wide}");
}

#[test]
fn conditions_that_no_value_meets() {
    let space =
        Space::new().integer_step("n", 0, 100, 10).unwrap().uniform_step("x", 0.0, 1.0, 0.25).unwrap();
    let space = space.powers_of_two("p", 2, 8).unwrap().uniform("y", 0.0, 1.0).unwrap();
    let never = |space: Result<Space, _>| space.is_err();
    let add = |space: Space| space.boolean("b");
    let when = |name: &str, from: f64, to: f64| never(space.clone().when(name, from..=to, add));
    for (name, from, to, is_never) in [
        ("n", 1.0, 9.0, true),
        ("n", 1.0, 10.0, false),
        ("n", 100.0, 200.0, false),
        ("n", 101.0, 200.0, true),
        ("n", -5.0, 0.0, false),
        ("n", 20.0, 10.0, true),
        ("x", 0.3, 0.4, true),
        ("x", 0.3, 0.5, false),
        ("p", 3.0, 3.5, true),
        ("p", 3.0, 4.0, false),
        ("y", 0.3, 0.31, false),
        ("y", 1.1, 2.0, true),
        ("y", f64::NAN, f64::NAN, true),
    ] {
        assert_eq!(when(name, from, to), is_never, "{name} from {from} to {to}");
    }
}

#[test]
fn values_that_are_not_of_the_space() {
    let space = Space::new()
        .log_uniform("learning_rate", 1e-4, 1.0)
        .and_then(|space| space.integer_step("layers", 1, 5, 2))
        .and_then(|space| space.when("layers", 3.., |space| space.powers_of_two("units", 16, 64)))
        .and_then(|space| space.choice("activation", ["relu", "tanh"]))
        .unwrap();
    let good = Params::new().with("learning_rate", 0.1).with("layers", 1).with("activation", "relu");
    assert_eq!(space.check(&good), Ok(()));
    let cases = [
        (
            good.clone().with("momentum", 0.9),
            "there is no hyperparameter `momentum`, expected one of \
             [\"learning_rate\", \"layers\", \"units\", \"activation\"]",
        ),
        (good.clone().with("units", 16), "`units` is there only when `layers` is at least 3"),
        (good.clone().with("layers", 3), "`units` is missing"),
        (Params::new(), "`learning_rate` is missing"),
        (
            good.clone().with("layers", 3).with("units", 48),
            "`units`: expected a power of two from 16 to 64, got 48",
        ),
        (
            good.clone().with("learning_rate", f64::NAN),
            "`learning_rate`: expected a number from 0.0001 to 1 (log), got NaN",
        ),
        (
            good.clone().with("learning_rate", 1.5),
            "`learning_rate`: expected a number from 0.0001 to 1 (log), got 1.5",
        ),
        (
            good.clone().with("learning_rate", "0.1"),
            "`learning_rate`: expected a number from 0.0001 to 1 (log), got 0.1",
        ),
        (
            good.clone().with("layers", 2),
            "`layers`: expected a whole number from 1 to 5 in steps of 2, got 2",
        ),
        (
            good.clone().with("layers", 1.5),
            "`layers`: expected a whole number from 1 to 5 in steps of 2, got 1.5",
        ),
        (good.clone().with("activation", "elu"), "`activation`: expected one of relu, tanh, got elu"),
        (good.with("activation", true), "`activation`: expected one of relu, tanh, got true"),
    ];
    for (params, message) in cases {
        assert_eq!(space.check(&params).unwrap_err().to_string(), message);
    }
}

#[test]
fn structs_that_do_not_fit_name_the_field() {
    #[derive(Debug, serde::Deserialize)]
    struct Fields {
        rate: f64,
        units: u8,
        activation: Activation,
    }
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Activation {
        Relu,
        Leaky(f64),
    }
    let good = Params::new().with("rate", 1).with("units", 7.0).with("activation", "relu");
    let fields: Fields = good.to().unwrap();
    assert!(fields.rate == 1.0 && fields.units == 7 && matches!(fields.activation, Activation::Relu));
    let cases = [
        (good.clone().with("rate", "x"), "`rate` is x: invalid type: string \"x\", expected f64"),
        (good.clone().with("units", 300), "`units` is 300: invalid value: integer `300`, expected u8"),
        (good.clone().with("units", -1), "`units` is -1: invalid value: integer `-1`, expected u8"),
        (good.clone().with("units", 0.5), "`units` is 0.5: invalid type: floating point `0.5`, expected u8"),
        (good.clone().with("units", true), "`units` is true: invalid type: boolean `true`, expected u8"),
        (
            good.clone().with("activation", "elu"),
            "`activation` is elu: unknown variant `elu`, expected `relu` or `leaky`",
        ),
        (good.clone().with("activation", 1), "`activation` is 1: expected a name of Activation"),
        (good.clone().with("momentum", 0.9), "`momentum` is 0.9: there is no field for it"),
        (Params::new().with("rate", 1.0), "`units` is missing"),
    ];
    for (params, message) in cases {
        let error = params.to::<Fields>().unwrap_err().to_string();
        // The first of several missing fields is that which comes first in the struct.
        assert_eq!(error, message);
    }
    assert_eq!(
        good.get::<u8>("rats").unwrap_err().to_string(),
        "there is no hyperparameter `rats`, expected one of [\"activation\", \"rate\", \"units\"]"
    );
    let error = good.get::<bool>("units").unwrap_err().to_string();
    assert_eq!(error, "`units` is 7: invalid type: floating point `7.0`, expected a boolean");

    let from = |result: Result<Params, nn_tune::ParamError>| result.unwrap_err().to_string();
    #[derive(serde::Serialize)]
    struct One<T> {
        x: T,
    }
    let expected = "hyperparameters: `x`: expected a number, a name or a truth value, got";
    assert_eq!(from(Params::from(&One { x: [1, 2] })), format!("{expected} a tuple"));
    assert_eq!(from(Params::from(&One { x: vec![1] })), format!("{expected} a sequence"));
    assert_eq!(from(Params::from(&One { x: One { x: 1 } })), format!("{expected} a struct"));
    assert_eq!(
        from(Params::from(&One { x: Activation::Leaky(0.1) })),
        format!("{expected} an enum with fields")
    );
    assert_eq!(
        from(Params::from(&One { x: u64::MAX })),
        "hyperparameters: `x`: expected a whole number of at most 9223372036854775807, got 18446744073709551615"
    );
    assert_eq!(from(Params::from(&3)), "hyperparameters: expected a struct, got 3");
}
