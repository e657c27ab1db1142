//! The settings of what is compared, in full.

use hsets_evaluation::Plan;
use hsets_report::document::Blocks;
use serde_json::Value;

/// The first variant's settings; of the others what differs from it.
pub(super) fn in_full(blocks: Blocks, plan: &Plan) -> Blocks {
    let Some((first, others)) = plan.methods.split_first() else { return blocks };
    let of_first = flat(&first.settings);
    let listed = |settings: &[(String, String)]| {
        let lines = settings.iter().map(|(name, value)| format!("{name} = {value}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let code =
        others.iter().fold(format!("[{}]\n{}", first.name, listed(&of_first)), |code, method| {
            let mut settings = flat(&method.settings);
            settings.retain(|setting| !of_first.contains(setting));
            format!("{code}\n\n[{}]\n{}", method.name, listed(&settings))
        });
    let summary =
        format!("Settings: all of {}, and of the others what differs from it", first.name);
    blocks.details(summary, |blocks| blocks.code(code))
}

/// Names with the path to them, and values.
fn flat(settings: &Value) -> Vec<(String, String)> {
    let Value::Object(fields) = settings else {
        return vec![(String::new(), settings.to_string())];
    };
    let field = |(name, value): (&String, &Value)| {
        let inner = flat(value).into_iter();
        inner
            .map(move |(path, value)| match path.as_str() {
                "" => (name.clone(), value),
                path => (format!("{name}.{path}"), value),
            })
            .collect::<Vec<_>>()
    };
    fields.iter().flat_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_path_to_them_as_name() {
        let found = flat(&serde_json::json!({ "a": 1, "b": { "c": { "d": "x" }, "e": null } }));
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(found, [("a", "1"), ("b.c.d", "\"x\""), ("b.e", "null")].map(text));
    }
}
