//! Every list that the generic checks run over is complete: it names each type that implements a trait, and of an
//! enum each variant.

use std::path::Path;

use super::code::{code, contains_word, is_word, line_of};
use super::{File, Finding};

/// A trait whose implementations in a crate all stand in one list, which its tests run over.
struct List {
    /// The crate.
    package: &'static str,
    /// The trait.
    of: &'static str,
    /// The file with the list, in the crate's folder.
    file: &'static str,
    /// Whether the list may name a function instead that makes the type: `from_fn` for `FromFn`.
    by_function: bool,
}

const LISTS: [List; 8] = [
    List { package: "nn-ops", of: "Body", file: "tests/gradients.rs", by_function: false },
    List { package: "nn-loss", of: "Op", file: "tests/list/mod.rs", by_function: false },
    List { package: "nn-norm", of: "Op", file: "tests/gradients.rs", by_function: false },
    List { package: "nn-regularize", of: "Op", file: "tests/gradients.rs", by_function: false },
    List { package: "nn-optim", of: "Rule", file: "tests/list/mod.rs", by_function: false },
    List { package: "nn-schedule", of: "Schedule", file: "tests/schedules.rs", by_function: true },
    List { package: "nn-init", of: "Initializer", file: "tests/initializers.rs", by_function: false },
    List { package: "nn-layers", of: "Module", file: "tests/list/mod.rs", by_function: false },
];

impl List {
    /// Whether the code of the list names the member.
    fn names(&self, code: &str, member: &str) -> bool {
        contains_word(code, member) || (self.by_function && contains_word(code, &snake_case(member)))
    }
}

/// `from_fn` for `FromFn`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    LISTS.iter().flat_map(|list| check_list(list, files)).collect()
}

fn check_list(list: &List, files: &[File]) -> Vec<Finding> {
    let path = Path::new("crates").join(list.package).join(list.file);
    let listed = files.iter().find(|file| file.path == path).map_or(String::new(), |file| body(&file.text));
    let sources: Vec<&File> =
        files.iter().filter(|file| file.extension() == "rs" && file.is_in(list.package, "src")).collect();
    let mut findings = Vec::new();
    for source in &sources {
        for (line, name) in implementors(&source.text, list.of) {
            let variants: Vec<String> =
                sources.iter().flat_map(|source| variants(&source.text, &name)).collect();
            let members = if variants.is_empty() { vec![name] } else { variants };
            for member in members.iter().filter(|member| !list.names(&listed, member)) {
                let message =
                    format!("`{member}` is missing in the list of every {}, {}", list.of, path.display());
                findings.push(source.finding(line, message));
            }
        }
    }
    findings
}

/// The code of a file without its imports, which name what need not be used.
fn body(source: &str) -> String {
    let code = code(source);
    let mut items = code.split_inclusive(';');
    let is_import = |item: &&str| item.trim_start().starts_with("use ");
    items.by_ref().filter(|item| !is_import(item)).collect()
}

/// The types that implement the trait, each with the line of its `impl`; test modules, which stand last, aside.
fn implementors(source: &str, wanted: &str) -> Vec<(usize, String)> {
    let code = code(source);
    let end = code.find("#[cfg(test)]\nmod ").unwrap_or(code.len());
    let code = &code[..end];
    let mut found = Vec::new();
    for (at, _) in code.match_indices("impl") {
        let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let head = &code[at + 4..];
        if !code[line..at].trim().is_empty() || head.starts_with(is_word) {
            continue;
        }
        let head = head.split(['{', ';']).next().unwrap_or_default();
        if let Some(name) = implementor(head, wanted) {
            found.push((line_of(code, at), name));
        }
    }
    found
}

/// The type of `<generics> Trait<…> for Type<…> where …`, unless it is a generic parameter or a pointer to one.
fn implementor(head: &str, wanted: &str) -> Option<String> {
    let (generics, head) = split_generics(head.trim());
    let (of, target) = head.split_once(" for ")?;
    if last_name(of) != wanted {
        return None;
    }
    let target = target.trim().trim_start_matches('&').trim_start_matches("mut ");
    let name = last_name(target);
    let pointer = matches!(name.as_str(), "Box" | "Arc" | "Rc");
    (!pointer && !contains_word(generics, &name)).then_some(name)
}

/// The variants of the enum of this name, if the source defines it, as `Name::Variant`.
fn variants(source: &str, name: &str) -> Vec<String> {
    let code = code(source);
    let head = format!("enum {name}");
    let ends = |at: usize| !code[at + head.len()..].starts_with(is_word);
    let Some(at) = code.match_indices(&head).map(|(at, _)| at).find(|&at| ends(at)) else {
        return Vec::new();
    };
    let Some(open) = code[at..].find('{') else {
        return Vec::new();
    };
    let (mut depth, mut awaits_name, mut found) = (0, true, Vec::new());
    let body = &code[at + open + 1..];
    for (i, c) in body.char_indices() {
        match c {
            '}' if depth == 0 => break,
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => awaits_name = true,
            c if depth == 0 && awaits_name && is_word(c) => {
                let variant: String = body[i..].chars().take_while(|&c| is_word(c)).collect();
                found.push(format!("{name}::{variant}"));
                awaits_name = false;
            }
            _ => {}
        }
    }
    found
}

/// The generic parameters in angle brackets, and what follows them.
fn split_generics(head: &str) -> (&str, &str) {
    if !head.starts_with('<') {
        return ("", head);
    }
    let mut depth = 0;
    let mut before = ' ';
    for (i, c) in head.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return head.split_at(i + 1);
        }
        before = c;
    }
    ("", head)
}

/// The last name of a path, without its parameters: `Op` of `nn_core::Op<F>`.
fn last_name(path: &str) -> String {
    let path = path.trim().split('<').next().unwrap_or_default();
    let name = path.rsplit("::").next().unwrap_or_default().trim();
    name.chars().take_while(|&c| is_word(c) || c == '$').collect()
}

#[cfg(test)]
mod tests {
    use super::{body, implementors, variants};

    #[test]
    fn finds_the_types_that_implement_a_trait() {
        let source = "\
/// impl<F: Real> Op<F> for InDocumentation {
impl<F: Real> Op<F> for Plain {
}
impl<F: Real, G: Fn(F) -> F> nn_core::Op<F>
    for crate::Generic<F, G>
where
    G: Send,
{
}
    impl Op<f32> for Indented {}
impl<F: Real, T: Op<F> + ?Sized> Op<F> for Arc<T> {}
impl<F: Real, T: Op<F>> Op<F> for &mut T {}
impl<F: Real> Debug for Other {}
impl Operation for Other {}
impl Other { fn f() -> impl Op<f32> { Plain } }
#[cfg(test)]
mod tests {
    impl<F: Real> Op<F> for OfTests {}
}
";
        let found = implementors(source, "Op");
        let expected = [(2, "Plain"), (4, "Generic"), (10, "Indented")];
        assert_eq!(found, expected.map(|(line, name)| (line, name.to_owned())));
    }

    #[test]
    fn finds_the_variants_of_an_enum() {
        let source = "\
pub enum Kinds { No }
/// enum Kind { No }
pub enum Kind {
    /// One, Two
    #[default]
    One,
    Two { a: f64, b: (u8, u8) },
    Three(f64, [u8; 3]),
}
enum Other { Four }
";
        assert_eq!(variants(source, "Kind"), ["Kind::One", "Kind::Two", "Kind::Three"]);
        assert!(variants(source, "Fifth").is_empty());
    }

    #[test]
    fn imports_list_nothing() {
        let source = "//! A.\nuse a::{B,\n    C};\nmod d;\nuse e::F;\nfn g() { B; }\n";
        assert_eq!(body(source).split_whitespace().collect::<String>(), "modd;fng(){B;}");
    }
}
