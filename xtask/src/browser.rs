//! The browser in which pages are tested: Chromium, and the driver that steers it.

use std::path::PathBuf;

use crate::report::Error;
use crate::workspace::find_in_path;

/// The environment variable that makes a missing browser a failure.
const REQUIRED: &str = "MPCSFAAS_REQUIRE_BROWSER";

/// What is needed, and what to do without it.
const WHAT: &str = "Chromium with chromedriver";
const REMEDY: &str = "install them (on Debian: apt-get install chromium chromium-driver)";

/// Chromium as the machine has it. It is never downloaded.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    /// The browser itself.
    pub(crate) chromium: PathBuf,
    /// Its driver.
    pub(crate) driver: PathBuf,
}

impl Browser {
    /// The browser of this machine, from PATH; or why there is none, if that is allowed.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none and the environment says that it is required.
    pub(crate) fn find() -> Result<Result<Browser, String>, Error> {
        let chromium = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find_map(find_in_path);
        let driver = find_in_path("chromedriver");
        let required = std::env::var_os(REQUIRED).is_some_and(|value| !value.is_empty());
        Browser::of(chromium, driver, required)
    }

    fn of(
        chromium: Option<PathBuf>,
        driver: Option<PathBuf>,
        required: bool,
    ) -> Result<Result<Browser, String>, Error> {
        match (chromium, driver, required) {
            (Some(chromium), Some(driver), _) => Ok(Ok(Browser { chromium, driver })),
            (_, _, true) => Err(Error::Missing {
                what: WHAT,
                remedy: REMEDY,
            }),
            (_, _, false) => Ok(Err(format!("no {WHAT}; {REMEDY}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_browser_is_said_and_fails_where_it_is_required() {
        let path = || Some(PathBuf::from("/somewhere"));
        assert!(Browser::of(path(), path(), false).unwrap().is_ok());
        for (chromium, driver) in [(None, path()), (path(), None), (None, None)] {
            let why = Browser::of(chromium.clone(), driver.clone(), false).unwrap();
            assert!(why.unwrap_err().contains("apt-get install chromium"));
            assert!(matches!(
                Browser::of(chromium, driver, true),
                Err(Error::Missing { .. })
            ));
        }
    }
}
