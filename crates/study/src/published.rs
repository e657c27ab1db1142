//! The paper's numbers: means over 1000 correctly classified pictures and 5 runs.

/// What the paper has tables of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Gini sparsity.
    Gini,
    /// ROAD_AOPC.
    Aopc,
}

/// Study, model, and the numbers of IG, Archipelago, MoXI and H-Sets.
type Row = (&'static str, &'static str, [f64; 4]);

const GINI: [Row; 5] = [
    ("imagenet", "resnet101", [0.81, 0.91, 0.87, 0.98]),
    ("imagenet", "vgg16", [0.71, 0.91, 0.85, 0.95]),
    ("imagenet", "densenet121", [0.60, 0.90, 0.72, 0.94]),
    ("imagenet", "mobilenet_v3_large", [0.63, 0.91, 0.96, 0.95]),
    ("cub", "vgg16", [0.67, 0.92, 0.91, 0.93]),
];

const AOPC: [Row; 5] = [
    ("imagenet", "vgg16", [0.13, 0.27, 0.32, 0.34]),
    ("imagenet", "densenet121", [0.30, 0.32, 0.35, 0.38]),
    ("imagenet", "mobilenet_v3_large", [0.06, 0.24, 0.33, 0.37]),
    ("cub", "densenet121", [0.60, 0.49, 0.55, 0.65]),
    ("cub", "vgg16", [0.61, 0.06, 0.58, 0.65]),
];

/// The workshop paper: Gini on Imagenette, of Integrated Gradients and of H-Sets.
const WORKSHOP: [(&str, f64); 2] = [("ig", 0.8235), ("hsets", 0.9565)];

/// Ablations on MobileNetV3-L: Gini and ROAD_AOPC.
const ABLATIONS: [(&str, f64, f64); 5] = [
    ("nu=250", 0.99, 0.42),
    ("nu=2000", 0.94, 0.37),
    ("nu=5000", 0.85, 0.37),
    ("mu=0.1", 0.95, 0.39),
    ("mu=0.6", 0.96, 0.41),
];

/// Ablation of the prior on a ResNet: ROAD_AOPC.
const PRIORS: [(&str, f64); 3] =
    [("sam + ig", 0.26), ("quickshift + ig", 0.21), ("none + ig", 0.18)];

/// The model whose column stands beside networks that the paper does not have.
pub(crate) const STAND_IN: &str = "mobilenet_v3_large";

/// The paper's number for a variant, where it has one.
pub(crate) fn published(
    study: &str,
    model: &str,
    variant: &str,
    quantity: Quantity,
) -> Option<f64> {
    let gini_and_aopc = |(_, gini, aopc): &(&str, f64, f64)| match quantity {
        Quantity::Gini => *gini,
        Quantity::Aopc => *aopc,
    };
    if let Some(row) = ABLATIONS.iter().find(|row| row.0 == variant) {
        return (study == "imagenet" && model == STAND_IN).then(|| gini_and_aopc(row));
    }
    if let Some((_, aopc)) = PRIORS.iter().find(|row| row.0 == variant) {
        let is_there = study == "imagenet" && model.starts_with("resnet");
        return (is_there && quantity == Quantity::Aopc).then_some(*aopc);
    }
    // A variant may say more of how it was measured: "ig, abs-sum, ties seeded".
    let method = variant.split(", ").next().unwrap_or(variant);
    let method = if method.starts_with("hsets-") { "hsets" } else { method };
    if (model, quantity) == ("resnet50", Quantity::Gini) && study == "imagenet" {
        return WORKSHOP.iter().find(|row| row.0 == method).map(|row| row.1);
    }
    let table = match quantity {
        Quantity::Gini => &GINI,
        Quantity::Aopc => &AOPC,
    };
    let column = ["ig", "archipelago", "moxi", "hsets"].iter().position(|name| *name == method)?;
    table.iter().find(|row| (row.0, row.1) == (study, model)).map(|row| row.2[column])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_the_paper_has_them() {
        let gini = |model, variant| published("imagenet", model, variant, Quantity::Gini);
        assert_eq!(gini("vgg16", "hsets-paper"), Some(0.95));
        assert_eq!(gini("vgg16", "hsets-reference"), Some(0.95));
        assert_eq!(gini("resnet101", "moxi"), Some(0.87));
        assert_eq!(gini("resnet101", "ig, abs-sum, ties seeded"), Some(0.81));
        assert_eq!(gini("resnet50", "ig"), Some(0.8235));
        assert_eq!(gini("vgg16", "caso"), None);
        assert_eq!(gini("mobilenet_v3_large", "nu=5000"), Some(0.85));
        assert_eq!(gini("vgg16", "nu=5000"), None);
        let aopc = |study, model, variant| published(study, model, variant, Quantity::Aopc);
        assert_eq!(aopc("cub", "vgg16", "archipelago"), Some(0.06));
        assert_eq!(aopc("imagenet", "resnet101", "hsets-paper"), None);
        assert_eq!(aopc("imagenet", "resnet101", "sam + ig"), Some(0.26));
    }
}
