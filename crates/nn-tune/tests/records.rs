//! Records of a journal: what is written is what is read, to the last bit.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use nn_tune::storage::{Operation, Owner, Record, Storage};
use nn_tune::{Direction, Distribution, Params, Trial, TrialState, Value};
use proptest::prelude::*;

use crate::folder::Folder;

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just("NaN".to_owned()), Just("\"Infinity\n".to_owned()), Just(String::new())]
}

fn any_number() -> impl Strategy<Value = f64> {
    let special = [f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX, 1e16];
    prop_oneof![any::<f64>(), proptest::sample::select(special.to_vec())].prop_filter("NaN", |x| !x.is_nan())
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any_number().prop_map(Value::Float),
        any_text().prop_map(Value::Text),
    ]
}

fn any_param() -> impl Strategy<Value = (Distribution, Value)> {
    let bounds = || (any_number(), any_number());
    let float = (bounds(), any_number(), proptest::option::of(any_number()), any::<bool>());
    let float = float.prop_map(|((low, high), x, step, log)| {
        (Distribution::Float { low, high, step, log }, Value::Float(x))
    });
    let int = (any::<[i64; 4]>(), any::<bool>());
    let int = int
        .prop_map(|([low, high, step, x], log)| (Distribution::Int { low, high, step, log }, Value::Int(x)));
    let choice = proptest::collection::vec(any_value(), 1..4).prop_map(|choices| {
        let value = choices[0].clone();
        (Distribution::Categorical { choices }, value)
    });
    prop_oneof![float, int, choice]
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Into::into),
        any_text().prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            proptest::collection::btree_map(any_text(), inner, 0..3)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_state() -> impl Strategy<Value = TrialState> {
    use TrialState::{Complete, Failed, Pruned, Running, Waiting};
    proptest::sample::select(vec![Running, Complete, Pruned, Failed, Waiting])
}

fn any_trial() -> impl Strategy<Value = Trial> {
    let params = proptest::collection::btree_map(any_text(), any_param(), 0..3);
    let values = proptest::option::of(proptest::collection::vec(any_number(), 1..3));
    let steps = proptest::collection::btree_map(any::<u64>(), any_number(), 0..3);
    let attributes = || proptest::collection::btree_map(any_text(), any_json(), 0..2);
    let time = || proptest::option::of(0_u64..4_000_000_000_000_000);
    (any_state(), params, values, steps, attributes(), attributes(), [time(), time()]).prop_map(
        |(state, drawn, values, intermediate, user_attributes, system_attributes, times)| {
            let mut params = Params::new();
            let mut distributions = BTreeMap::new();
            for (name, (distribution, value)) in drawn {
                params.insert(&name, value);
                distributions.insert(name, distribution);
            }
            let [started, ended] = times.map(|at| at.map(|at| UNIX_EPOCH + Duration::from_micros(at)));
            Trial {
                params,
                distributions,
                values,
                intermediate,
                started,
                ended,
                user_attributes,
                system_attributes,
                ..Trial::new(state)
            }
        },
    )
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let owner = || prop_oneof![Just(Owner::User), Just(Owner::System)];
    let direction = prop_oneof![Just(Direction::Minimize), Just(Direction::Maximize)];
    let id = || 0_u64..1 << 53;
    let at = 0_u64..4_000_000_000_000_000;
    prop_oneof![
        (any_text(), proptest::collection::vec(direction, 1..3))
            .prop_map(|(name, directions)| Operation::CreateStudy { name, directions }),
        id().prop_map(|study| Operation::DeleteStudy { study }),
        (id(), owner(), any_text(), any_json())
            .prop_map(|(study, owner, key, value)| Operation::StudyAttribute { study, owner, key, value }),
        (id(), any_trial())
            .prop_map(|(study, trial)| Operation::CreateTrial { study, trial: Box::new(trial) }),
        (id(), any_text(), any_param()).prop_map(|(trial, name, (distribution, value))| {
            Operation::SetParam { trial, name, value, distribution }
        }),
        (id(), any_state(), proptest::option::of(proptest::collection::vec(any_number(), 1..3)), at)
            .prop_map(|(trial, state, values, at)| {
                let at = UNIX_EPOCH + Duration::from_micros(at);
                let at = (state != TrialState::Waiting).then_some(at);
                Operation::SetState { trial, state, values, at }
            }),
        (id(), any::<u32>(), any_number()).prop_map(|(trial, step, value)| {
            Operation::Intermediate { trial, step: u64::from(step), value }
        }),
        (id(), owner(), any_text(), any_json())
            .prop_map(|(trial, owner, key, value)| Operation::TrialAttribute { trial, owner, key, value }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_to_the_last_bit(
        operations in proptest::collection::vec((any_text(), any_operation()), 1..8),
        parts in 1_usize..4,
    ) {
        let folder = Folder::new("round-trip");
        let records: Vec<Record> =
            operations.into_iter().map(|(worker, operation)| Record { worker, operation }).collect();
        let (mut writer, mut reader) = (folder.journal(), folder.journal());
        let mut read = vec![];
        for part in records.chunks(records.len().div_ceil(parts)) {
            let added = writer.update(&mut |others| {
                assert_eq!(others, vec![]);
                part.to_vec()
            });
            prop_assert_eq!(added.unwrap(), part.to_vec());
            read.extend(reader.read().unwrap());
        }
        prop_assert_eq!(format!("{:?}", &read), format!("{:?}", &records));
        prop_assert_eq!(folder.journal().read().unwrap(), read);
        prop_assert_eq!(writer.read().unwrap(), vec![]);
    }
}

#[test]
fn no_numbers_round_trip_and_texts_stay() {
    let folder = Folder::new("nan");
    let mut trial = Trial::new(TrialState::Running);
    trial.intermediate = BTreeMap::from([(0, f64::NAN), (7, f64::NEG_INFINITY)]);
    trial.params.insert("x", Value::Float(f64::NAN));
    let choices = vec![Value::Text("NaN".into()), Value::Float(f64::NAN)];
    trial.distributions.insert("x".to_owned(), Distribution::Categorical { choices });
    trial.user_attributes.insert("NaN".to_owned(), "NaN, \"Infinity\"".into());
    let create = Operation::CreateTrial { study: 0, trial: Box::new(trial) };
    let record = Record { worker: "w".to_owned(), operation: create };
    folder.journal().update(&mut |_| vec![record.clone()]).unwrap();
    let text = fs::read_to_string(folder.file()).unwrap();
    assert!(text.contains(r#""intermediate_values":{"0":NaN,"7":-Infinity}"#), "{text}");
    assert!(text.contains(r#""params":{"x":1}"#), "{text}");
    assert_eq!(format!("{:?}", folder.journal().read().unwrap()), format!("{:?}", [record]));
}
