//! Names that resemble what was typed.

/// The up to three most similar names, most similar first; empty if nothing is near.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = typed.to_lowercase();
    let mut ranked: Vec<(usize, &str)> = names
        .map(|name| {
            let lower = name.to_lowercase();
            let inside = lower.contains(&typed) && typed.len() > 2;
            (if inside { 0 } else { edit_distance(&typed, &lower) }, name)
        })
        .filter(|(distance, _)| *distance <= 1 + typed.chars().count() / 4)
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().take(3).map(|(_, name)| name).collect()
}

/// What to do about a name that nothing has: similar ones, or `otherwise`.
pub(crate) fn hint<'a>(
    typed: &str,
    names: impl Iterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    let near = nearest(typed, names);
    if near.is_empty() { otherwise.into() } else { format!("did you mean {}?", near.join(" or ")) }
}

/// Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &to) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_and_parts_are_near() {
        let names = ["goldfish", "tiger shark", "great white shark", "hen"];
        assert_eq!(nearest("Goldfsh", names.into_iter()), ["goldfish"]);
        assert_eq!(nearest("shark", names.into_iter()), ["great white shark", "tiger shark"]);
        assert!(nearest("aeroplane", names.into_iter()).is_empty());
    }
}
