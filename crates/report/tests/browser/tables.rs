//! Tables sort.

use hsets_browser::Browser;

use crate::{page, sample};

fn order(browser: &Browser) -> String {
    let script = "return [...document.querySelectorAll('#sparsity tbody tr')]\
                  .map(row => row.cells[0].textContent).join()";
    browser.run(script).as_str().unwrap().to_owned()
}

#[test]
fn columns_sort_by_click_and_by_key() {
    let Some(browser) = Browser::start() else { return };
    browser.open(&page("tables.html", &sample::document().html().unwrap()));
    let head = |column: usize| format!("#sparsity thead th:nth-child({column}) button");
    let direction = |column: usize| {
        browser.run(&format!(
            "return document.querySelector('#sparsity thead th:nth-child({column})')\
             .getAttribute('aria-sort')"
        ))
    };
    assert_eq!(order(&browser), "VGG16,DenseNet121,ResNet101");
    browser.point(browser.middle(&head(2)), true);
    assert_eq!(order(&browser), "DenseNet121,VGG16,ResNet101");
    assert_eq!(direction(2), "ascending");
    browser.press(&["Enter"]);
    assert_eq!(order(&browser), "ResNet101,VGG16,DenseNet121");
    assert_eq!(direction(2), "descending");
    browser.press(&["Enter"]);
    assert_eq!(order(&browser), "VGG16,DenseNet121,ResNet101");
    assert!(direction(2).is_null());
    // Words by the alphabet.
    browser.point(browser.middle(&head(1)), true);
    assert_eq!(order(&browser), "DenseNet121,ResNet101,VGG16");
}
