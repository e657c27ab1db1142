//! What every task promises: determinism, disjoint parts, and what a part tells of the class.

use hsets_scenes::{Scene, Task};

fn draw(task: Task, n: u64) -> impl Iterator<Item = Scene> {
    (0..n).map(move |index| task.draw(3, index, 16).expect("16 pixels are allowed"))
}

/// How the classes are distributed among the pictures with this variant of this part.
fn class_shares(task: Task, part: usize, variant: usize, n: u64) -> Vec<f64> {
    let mut counts = vec![0.0; task.labels().len()];
    for scene in draw(task, n).filter(|scene| scene.parts[part].variant == variant) {
        counts[scene.class] += 1.0;
    }
    let total: f64 = counts.iter().sum();
    counts.iter().map(|count| count / total).collect()
}

#[test]
fn the_same_arguments_give_the_same_picture() {
    for task in Task::ALL {
        let scene = task.draw(5, 17, 48).unwrap();
        assert_eq!(scene, task.draw(5, 17, 48).unwrap(), "{task}");
        assert_ne!(scene.photo, task.draw(5, 18, 48).unwrap().photo, "{task}");
        assert_ne!(scene.photo, task.draw(6, 17, 48).unwrap().photo, "{task}");
    }
}

/// A change here means that pictures, and with them trained weights and studies, no longer match.
#[test]
fn pictures_never_change() {
    let fnv = |bytes: &[u8]| {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let found = Task::ALL.map(|task| fnv(task.draw(1, 2, 64).unwrap().photo.rgb()));
    assert_eq!(found, PICTURES);
}

const PICTURES: [u64; 6] = [
    3_552_241_336_009_995_460,
    17_227_016_182_097_519_684,
    13_808_248_211_404_530_846,
    14_304_112_667_590_698_817,
    13_900_192_791_129_463_207,
    13_900_192_791_129_463_207,
];

#[test]
fn size_changes_resolution_only() {
    for task in Task::ALL {
        let (small, large) = (task.draw(1, 4, 64).unwrap(), task.draw(1, 4, 224).unwrap());
        assert_eq!(small.class, large.class);
        for (a, b) in small.parts.iter().zip(&large.parts) {
            assert_eq!(a.variant, b.variant);
            let share = |area: usize, size: usize| area as f64 / (size * size) as f64;
            let (a, b) = (share(a.mask.area(), 64), share(b.mask.area(), 224));
            assert!((a - b).abs() < 0.15 * b, "{task}: {a} and {b} of the picture");
        }
    }
}

#[test]
fn parts_are_complete_and_disjoint() {
    for task in Task::ALL {
        for index in 0..50 {
            let scene = task.draw(3, index, 64).unwrap();
            assert_eq!(scene.parts.len(), task.part_names().len());
            let things: Vec<_> = scene.parts.iter().chain(&scene.decoy).collect();
            for (i, a) in things.iter().enumerate() {
                assert!(a.mask.area() >= 30, "{task}: {} has {} pixels", a.name, a.mask.area());
                for b in &things[..i] {
                    assert_eq!(a.mask.shared(&b.mask).unwrap(), 0, "{task}: {} {}", a.name, b.name);
                }
            }
        }
    }
}

#[test]
fn one_part_alone_tells_nothing_of_a_duel_or_an_xor() {
    for task in [Task::Duel, Task::Xor, Task::Decoy] {
        for part in 0..2 {
            for variant in 0..task.variant_names(part).len() {
                let shares = class_shares(task, part, variant, 3000);
                let even = 1.0 / shares.len() as f64;
                let far = shares.iter().any(|share| (share - even).abs() > 0.06);
                assert!(!far, "{task} part {part} variant {variant}: {shares:?}");
            }
        }
    }
}

#[test]
fn both_parts_tell_the_class() {
    for scene in draw(Task::Duel, 200) {
        let [orange, blue] = [scene.parts[0].variant_name, scene.parts[1].variant_name];
        let beats = [("paper", "rock"), ("scissors", "paper"), ("rock", "scissors")];
        let winner = match (orange, blue) {
            _ if beats.contains(&(orange, blue)) => "orange wins",
            _ if beats.contains(&(blue, orange)) => "blue wins",
            _ => "draw",
        };
        assert_eq!(Task::Duel.labels()[scene.class], winner);
    }
    for scene in draw(Task::Xor, 200) {
        assert_eq!(scene.class, scene.parts[0].variant ^ scene.parts[1].variant);
    }
    for scene in draw(Task::And, 200) {
        assert_eq!(scene.class, scene.parts[0].variant & scene.parts[1].variant);
    }
}

#[test]
fn conjunction_is_balanced_but_no_part_suffices() {
    let n_both = draw(Task::And, 2000).filter(|scene| scene.class == 1).count();
    assert!((900..1100).contains(&n_both), "{n_both}");
    // P(both | this part is there) = (1/2) / (1/2 + 1/6).
    let shares = class_shares(Task::And, 0, 1, 3000);
    assert!((shares[1] - 0.75).abs() < 0.05, "{shares:?}");
}

#[test]
fn tiles_of_the_additive_control_are_independent_given_the_class() {
    let (mut agree, mut both) = ([0.0; 2], 0.0);
    let n = 3000;
    for scene in draw(Task::Additive, n) {
        let agrees = |part: usize| f64::from(u8::from(scene.parts[part].variant == scene.class));
        agree[0] += agrees(0) / n as f64;
        agree[1] += agrees(1) / n as f64;
        both += agrees(0) * agrees(1) / n as f64;
    }
    assert!((agree[0] - 0.85).abs() < 0.03 && (agree[1] - 0.85).abs() < 0.03, "{agree:?}");
    assert!((both - agree[0] * agree[1]).abs() < 0.02, "{both} and {agree:?}");
}

#[test]
fn the_decoy_tells_the_class_in_training_only() {
    let shade = |scene: &Scene| scene.decoy.as_ref().unwrap().variant;
    assert!(draw(Task::Decoy, 200).all(|scene| shade(&scene) == scene.class));
    let n_right = draw(Task::DecoyShuffled, 1000).filter(|scene| shade(scene) == scene.class);
    assert!((430..570).contains(&n_right.count()));
    for (a, b) in draw(Task::Decoy, 20).zip(draw(Task::DecoyShuffled, 20)) {
        assert_eq!((a.class, &a.parts), (b.class, &b.parts));
    }
    assert!(draw(Task::Xor, 20).all(|scene| scene.decoy.is_none()));
}

#[test]
fn erasing_a_part_changes_its_pixels_and_its_shadow_only() {
    let whole = Task::Duel.draw(3, 8, 64).unwrap();
    let erased = Task::Duel.draw_without(&[0], 3, 8, 64).unwrap();
    assert_eq!((erased.class, erased.parts.len()), (whole.class, 1));
    assert_eq!(erased.parts[0], whole.parts[1]);
    let differs = |&pixel: &usize| {
        whole.photo.pixel(pixel / 64, pixel % 64) != erased.photo.pixel(pixel / 64, pixel % 64)
    };
    let orange = &whole.parts[0].mask;
    assert!(orange.pixels().filter(differs).count() as f64 > 0.95 * orange.area() as f64);
    let near = |pixel: usize| {
        orange
            .pixels()
            .any(|p| (p / 64).abs_diff(pixel / 64) <= 5 && (p % 64).abs_diff(pixel % 64) <= 5)
    };
    assert!((0..64 * 64).filter(differs).all(near));
}

/// What is left without two parts is what the pictures without either share: the four pictures of
/// a drawn counterfactual differ in the parts and in nothing else.
#[test]
fn four_pictures_differ_in_two_parts_alone() {
    for index in 0..20 {
        let without = |parts: &[usize]| Task::Additive.draw_without(parts, 3, index, 64).unwrap();
        let [both, first, second, neither] = [&[][..], &[1], &[4], &[1, 4]].map(without);
        assert_eq!(both, Task::Additive.draw(3, index, 64).unwrap());
        assert_eq!(neither.parts.len(), 3);
        let mut n_shared = 0;
        for pixel in 0..64 * 64 {
            let of = |scene: &Scene| scene.photo.pixel(pixel / 64, pixel % 64);
            match (of(&both) != of(&first), of(&both) != of(&second)) {
                (false, false) => assert_eq!(of(&neither), of(&both)),
                (true, false) => assert_eq!(of(&neither), of(&first)),
                (false, true) => assert_eq!(of(&neither), of(&second)),
                // Shadows of tiles that nearly touch.
                (true, true) => n_shared += 1,
            }
        }
        assert!(n_shared < 40, "scene {index}: {n_shared} pixels");
    }
}

#[test]
fn bad_arguments_are_named() {
    assert!(Task::Duel.draw(0, 0, 8).unwrap_err().to_string().starts_with("size = 8"));
    assert!(Task::Duel.draw_without(&[2], 0, 0, 64).unwrap_err().to_string().contains("part = 2"));
    assert!("duell".parse::<Task>().unwrap_err().to_string().contains("decoy-shuffled"));
    assert!(Task::ALL.iter().all(|task| task.name().parse::<Task>().is_ok_and(|t| t == *task)));
}
