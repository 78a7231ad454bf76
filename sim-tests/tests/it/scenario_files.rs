//! The files in `sim-tests/scenarios`: written by hand, or shrunk from what a seed once found. Each
//! runs as it stands, and ends as it says.

use std::path::Path;

use mpcsfaas_sim_tests::run::Case;
use mpcsfaas_sim_tests::scenario_file::{self, Expect};

#[test]
fn every_scenario_file_ends_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of scenarios")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no scenarios", folder.display());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        let name = file.display().to_string();
        let scenario =
            scenario_file::read(&text).unwrap_or_else(|error| panic!("{}", error.in_file(&name)));
        let broken = Case::of_plan(&scenario.plan).run().violation;
        match scenario.expect {
            Expect::Keeps => assert_eq!(broken, None, "{name}"),
            Expect::Breaks(promise) => {
                let found = broken.map(|violation| violation.promise);
                assert_eq!(found, Some(promise), "{name}");
            }
        }
    }
}
