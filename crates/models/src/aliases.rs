//! Short names of published ImageNet weights.

use crate::error::{Error, Result};
use crate::nearest::nearest;

/// An architecture's name and the repository of the hub whose weights it stands for.
///
/// All were trained on ImageNet with 1000 classes. The repositories are followed at `main`; none is
/// pinned by this table. Pin one with `ALIAS@COMMIT`.
pub const ALIASES: [(&str, &str); 20] = [
    ("vgg11", "timm/vgg11.tv_in1k"),
    ("vgg13", "timm/vgg13.tv_in1k"),
    ("vgg16", "timm/vgg16.tv_in1k"),
    ("vgg19", "timm/vgg19.tv_in1k"),
    ("vgg11_bn", "timm/vgg11_bn.tv_in1k"),
    ("vgg13_bn", "timm/vgg13_bn.tv_in1k"),
    ("vgg16_bn", "timm/vgg16_bn.tv_in1k"),
    ("vgg19_bn", "timm/vgg19_bn.tv_in1k"),
    ("resnet18", "timm/resnet18.tv_in1k"),
    ("resnet34", "timm/resnet34.tv_in1k"),
    ("resnet50", "timm/resnet50.tv_in1k"),
    ("resnet101", "timm/resnet101.tv_in1k"),
    ("resnet152", "timm/resnet152.tv_in1k"),
    ("densenet121", "timm/densenet121.tv_in1k"),
    ("densenet161", "timm/densenet161.tv_in1k"),
    ("densenet169", "timm/densenet169.tv_in1k"),
    ("densenet201", "timm/densenet201.tv_in1k"),
    ("mobilenet_v2", "timm/mobilenetv2_100.ra_in1k"),
    ("mobilenet_v3_small", "timm/mobilenetv3_small_100.lamb_in1k"),
    ("mobilenet_v3_large", "timm/mobilenetv3_large_100.ra_in1k"),
];

/// The repository of an alias; `owner/name` is taken as it is.
pub(crate) fn repository(name: &str) -> Result<&str> {
    if let Some((_, repository)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Ok(repository);
    }
    let is_id = name.split('/').count() == 2 && !name.contains("..") && !name.contains('\\');
    if is_id && name.split('/').all(|part| !part.is_empty()) {
        return Ok(name);
    }
    if ["resnet20", "resnet32", "resnet44", "resnet56"].contains(&name) {
        let what = "has no published weights behind an alias; pass a file with --weights FILE";
        return Err(Error::UnknownModel(format!("'{name}' {what}")));
    }
    let near = nearest(name, ALIASES.iter().map(|(alias, _)| *alias));
    let hint = if near.is_empty() {
        "`hsets models` lists them; or give OWNER/REPOSITORY, or --weights FILE".into()
    } else {
        format!("did you mean {}?", near.join(" or "))
    };
    Err(Error::UnknownModel(format!("no weights are known as '{name}': {hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Architecture;

    #[test]
    fn aliases_are_architectures() {
        for (alias, _) in ALIASES {
            assert_eq!(alias.parse::<Architecture>().unwrap().name(), alias);
        }
    }

    #[test]
    fn repositories_pass_and_typos_are_helped() {
        assert_eq!(repository("timm/resnet50.a1_in1k").unwrap(), "timm/resnet50.a1_in1k");
        assert!(repository("../etc/passwd").is_err());
        assert!(repository("resnet20").unwrap_err().to_string().contains("--weights"));
        assert!(repository("vgg16bn").unwrap_err().to_string().contains("vgg16_bn"));
    }
}
