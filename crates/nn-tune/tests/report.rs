//! The page of a study, and how much each hyperparameter matters.

use nn_tune::sampler::CoarseToFine;
use nn_tune::{Direction, Importance, Outcome, Params, Random, Report, Sampler, Space, Study};

fn space() -> Space {
    Space::new()
        .log_uniform("learning_rate", 1e-4, 1.0)
        .and_then(|space| space.one_minus_log_uniform("momentum", 0.9, 0.999))
        .and_then(|space| space.powers_of_two("batch_size", 16, 256))
        .and_then(|space| space.choice("optimizer", ["sgd", "<adam>"]))
        .and_then(|space| space.integer("layers", 1, 3))
        .and_then(|space| space.when("layers", 2.., |space| space.log_integer("units_2", 16, 256)))
        .unwrap()
}

/// A loss that falls by step to a value that depends most on the learning rate, then on momentum.
fn loss(params: &Params, step: u64) -> f64 {
    let rate: f64 = params.get("learning_rate").unwrap();
    let momentum: f64 = params.get("momentum").unwrap();
    let layers: f64 = params.get("layers").unwrap();
    let end = 0.05 + 0.08 * (rate.log10() + 2.0).powi(2) + 0.05 * ((1.0 - momentum).log10() + 1.8).powi(2);
    end + 0.01 * layers + 1.5 / (step + 1) as f64
}

/// A study of so many trials; of some only the beginning, some failed, and of few trials one diverged.
fn filled(sampler: impl Sampler + 'static, trials: u64) -> Study {
    let study = Study::new("digits <1>", Direction::Minimize, space(), sampler).unwrap();
    for _ in 0..trials {
        let trial = study.ask().unwrap();
        let stops = trial.number > 4 && loss(&trial.params, 20) > 0.35;
        (0..if stops { 5 } else { 20 }).for_each(|step| {
            study.report(trial.number, step, loss(&trial.params, step)).unwrap();
        });
        let outcome = match trial.number % 13 {
            7 => Outcome::Failed("out of <memory>".to_owned()),
            9 if trials < 60 => Outcome::Complete(1e9),
            _ if stops => Outcome::Pruned,
            _ => Outcome::Complete(loss(&trial.params, 19)),
        };
        study.tell(trial.number, outcome).unwrap();
    }
    study
}

/// Whether all tags but those without an end are closed in order.
fn is_well_formed(html: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = &html[html.find("<html").unwrap()..];
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if rest.starts_with("<style") || rest.starts_with("<script") {
            let end = if rest.starts_with("<style") { "</style>" } else { "</script>" };
            rest = &rest[rest.find(end).unwrap() + end.len()..];
            continue;
        }
        let end = rest.find('>').unwrap();
        let tag = &rest[1..end];
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') && !["meta", "br"].contains(&name) {
            open.push(name);
        }
        rest = &rest[end..];
    }
    open.is_empty()
}

#[test]
fn the_page_has_every_section() {
    let study = filled(Random::new(3), 60);
    let html = Report::of(&study).unwrap().objective("validation loss").html();
    let headings = [
        "Best trials",
        "History",
        "Importance",
        "Slices",
        "The two most important together",
        "Tried values, and those of a grid",
        "All hyperparameters together",
    ];
    for heading in headings {
        assert!(html.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    assert!(is_well_formed(&html));
    assert!(html.contains("<h1>digits &lt;1&gt;</h1>") && html.contains("out of &lt;memory&gt;"));
    assert!(!html.contains("NaN") && !html.contains("inf ") && !html.contains("http"), "{html}");
    // A slice for each hyperparameter.
    assert_eq!(html.matches("<h3>batch size</h3>").count(), 1);
    // As many values as trials, and few of a grid.
    assert!(html.contains("60 trials: 60 values of learning rate, 60 values of momentum"));
    assert!(html.contains("49 trials: 7 values of learning rate, 7 values of momentum"));
}

#[test]
fn windows_of_a_search_from_coarse_to_fine() {
    let sampler = CoarseToFine::new(1);
    let study = filled(sampler, 60);
    let trials = study.trials().unwrap();
    let windows = sampler.windows(study.space(), study.direction(), &trials);
    let html = Report::of(&study).unwrap().windows(windows.clone()).html();
    assert!(is_well_formed(&html));
    assert!(html.contains("<h2>From coarse to fine</h2>"));
    // A round has a window of each hyperparameter.
    assert!(html.matches("class=\"window\"").count() >= 6 * windows.len(), "{}", windows.len());
}

#[test]
fn a_page_of_little() {
    for trials in [0, 1, 2, 3, 12] {
        let html = Report::of(&filled(Random::new(0), trials)).unwrap().html();
        assert!(is_well_formed(&html) && !html.contains("NaN"), "{html}");
    }
    let space = Space::new().uniform("x", 0.0, 1.0).unwrap();
    let study = Study::new("flat", Direction::Maximize, space, Random::new(0)).unwrap();
    for _ in 0..12 {
        study.tell(study.ask().unwrap().number, Outcome::Complete(1.0)).unwrap();
    }
    let html = Report::of(&study).unwrap().html();
    assert!(is_well_formed(&html) && !html.contains("NaN") && !html.contains("Importance"));
}

/// Points at random with the values of a function of a, b and c from 0 to 1.
fn importance_of(function: impl Fn(f64, f64, f64) -> f64, trials: u64) -> Importance {
    let space = Space::new().uniform("a", 0.0, 1.0).and_then(|space| space.uniform("b", 0.0, 1.0));
    let space = space.and_then(|space| space.uniform("c", 0.0, 1.0)).unwrap();
    let points: Vec<(Params, f64)> = (0..trials)
        .map(|i| {
            let params = Random::new(5).sample(&space, Direction::Minimize, &[], i);
            let [a, b, c] = ["a", "b", "c"].map(|name| params.get(name).unwrap());
            (params, function(a, b, c))
        })
        .collect();
    Importance::new(&space, points.iter().map(|(params, value)| (params, *value))).unwrap()
}

fn share(importance: &Importance, name: &str) -> f64 {
    importance.shares().iter().find(|(other, _)| other == name).unwrap().1
}

#[test]
fn shares_are_those_of_the_variance() {
    // Var(4a + 2b) = 16/12 + 4/12.
    let linear = importance_of(|a, b, _| 4.0 * a + 2.0 * b, 500);
    assert!((share(&linear, "a") - 0.8).abs() < 0.03, "{linear}");
    assert!((share(&linear, "b") - 0.2).abs() < 0.03, "{linear}");
    assert!(share(&linear, "c") < 0.01 && linear.together() < 0.03, "{linear}");
    // Of (a − ½)(b − ½) neither has a share of its own.
    let product = importance_of(|a, b, _| (a - 0.5) * (b - 0.5), 500);
    assert!(product.together() > 0.8, "{product}");
    // Of ab each has 3/7 and both together 1/7.
    let both = importance_of(|a, b, _| a * b, 1000);
    for name in ["a", "b"] {
        assert!((share(&both, name) - 3.0 / 7.0).abs() < 0.05, "{both}");
    }
    assert!((both.together() - 1.0 / 7.0).abs() < 0.05, "{both}");
    // A step, whatever its height.
    let step = importance_of(|_, _, c| if c < 0.3 { 1e9 } else { 2e9 }, 100);
    assert!(share(&step, "c") > 0.97, "{step}");
    assert_eq!(step.shares()[0].0, "c");
}

#[test]
fn a_hyperparameter_that_is_rarely_there() {
    let study = filled(Random::new(3), 60);
    let importance = Importance::of(&study).unwrap().unwrap();
    assert_eq!(importance.shares().len(), 6);
    let text = importance.to_string();
    assert!(text.lines().count() == 7 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(importance.to_string(), Importance::of(&study).unwrap().unwrap().to_string());
}

#[test]
fn there_is_no_importance_of_nothing() {
    let space = space();
    let point = Random::new(1).sample(&space, Direction::Minimize, &[], 0);
    assert!(Importance::new(&space, []).is_none());
    assert!(Importance::new(&space, [(&point, 1.0), (&point, 1.0), (&point, f64::NAN)]).is_none());
    assert!(Importance::new(&Space::new(), [(&point, 1.0), (&point, 2.0)]).is_none());
    // Two values at one point cannot be told apart.
    let shares = Importance::new(&space, [(&point, 1.0), (&point, 2.0)]).unwrap();
    assert!(shares.shares().iter().all(|(_, share)| *share == 0.0));
}
