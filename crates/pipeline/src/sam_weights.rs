//! Segment Anything's weights from the Hugging Face hub.
//!
//! The repositories carry the files as Meta and MobileSAM's authors published them. Meta's are pinned
//! to a commit, and all to the SHA-256 of the published file: nothing else is read.

use hsets_core::Progress;
use hsets_models::{Hub, Result};
use hsets_segmentation::{SamOptions, SamVariant};

/// A published weight file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamWeights {
    /// The network.
    pub variant: SamVariant,
    /// Repository of the hub.
    pub repository: &'static str,
    /// Commit or branch of the repository.
    pub revision: &'static str,
    /// File in it.
    pub file: &'static str,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: &'static str,
}

/// The repository with Meta's files, and the commit at which they are read.
const META: &str = "ybelkada/segment-anything";
const META_REVISION: &str = "7790786db131bcdc639f24a915d9f2c331d843ee";

/// The published weights.
pub const SAM_WEIGHTS: [SamWeights; 4] = [
    SamWeights {
        variant: SamVariant::Mobile,
        repository: "dhkim2810/MobileSAM",
        revision: "main",
        file: "mobile_sam.pt",
        sha256: "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
    },
    SamWeights {
        variant: SamVariant::VitB,
        repository: META,
        revision: META_REVISION,
        file: "checkpoints/sam_vit_b_01ec64.pth",
        sha256: "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    },
    SamWeights {
        variant: SamVariant::VitL,
        repository: META,
        revision: META_REVISION,
        file: "checkpoints/sam_vit_l_0b3195.pth",
        sha256: "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    },
    SamWeights {
        variant: SamVariant::VitH,
        repository: META,
        revision: META_REVISION,
        file: "checkpoints/sam_vit_h_4b8939.pth",
        sha256: "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    },
];

/// The network behind the name `sam` where no weights say which.
pub const DEFAULT_SAM: SamVariant = SamVariant::VitB;

/// Options without weights get the published ones, downloaded unless they are in the cache of `hub`;
/// without a variant, those of [`DEFAULT_SAM`]. Options with weights stay as they are.
pub fn with_published_weights(
    mut options: SamOptions,
    hub: &Hub,
    progress: &dyn Progress,
) -> Result<SamOptions> {
    if options.weights.is_some() {
        return Ok(options);
    }
    let variant = options.variant.unwrap_or(DEFAULT_SAM);
    if let Some(published) = SAM_WEIGHTS.iter().find(|weights| weights.variant == variant) {
        let SamWeights { repository, revision, file, sha256, .. } = *published;
        let path = hub.fetch_file((repository, revision), file, "--sam-weights", progress)?;
        options.variant = Some(variant);
        options.weights = Some(path);
        options.sha256 = Some(sha256.to_owned());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Silent;

    /// A hub whose cache holds one repository with one file, as other tools leave it after a download
    /// from the branch `main`.
    fn hub(folder: &std::path::Path, weights: &SamWeights) -> Hub {
        let commit = match weights.revision {
            "main" => "0123456789abcdef0123456789abcdef01234567",
            commit => commit,
        };
        let repository = weights.repository.replace('/', "--");
        let repository = folder.join(format!("models--{repository}"));
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), commit).unwrap();
        let file = repository.join("snapshots").join(commit).join(weights.file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, b"not the published bytes").unwrap();
        Hub {
            cache: folder.into(),
            endpoint: None,
            token: None,
            offline: true,
            patience: Hub::PATIENCE,
        }
    }

    #[test]
    fn every_network_has_weights_that_must_be_the_published_ones() {
        for variant in SamVariant::ALL {
            let found = SAM_WEIGHTS.iter().find(|weights| weights.variant == variant).unwrap();
            assert_eq!(found.sha256.len(), 64);
            let folder = tempfile::tempdir().unwrap();
            let hub = hub(folder.path(), found);
            let options = SamOptions::new(Some(variant));
            let options = with_published_weights(options, &hub, &Silent).unwrap();
            assert!(options.weights.as_ref().unwrap().ends_with(found.file));
            assert_eq!(options.sha256.as_deref(), Some(found.sha256));
            #[cfg(feature = "sam")]
            {
                let choice = hsets_segmentation::SegmenterChoice::Sam(Box::new(options));
                let error = choice.build().err().unwrap().to_string();
                assert!(error.contains("SHA-256") && error.contains(found.sha256), "{error}");
            }
        }
    }

    #[test]
    fn given_weights_are_left_alone_and_missing_ones_say_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub {
            cache: folder.path().into(),
            endpoint: None,
            token: None,
            offline: true,
            patience: Hub::PATIENCE,
        };
        let given = SamOptions { weights: Some("my.pth".into()), ..SamOptions::new(None) };
        assert_eq!(with_published_weights(given.clone(), &hub, &Silent).unwrap(), given);
        let missing = with_published_weights(SamOptions::new(None), &hub, &Silent).unwrap_err();
        let message = missing.to_string();
        assert!(message.contains("sam_vit_b_01ec64.pth"), "{message}");
        assert!(message.contains("--sam-weights FILE"), "{message}");
    }
}
