//! What a test may ask of the machine it runs on.
//!
//! A test that needs more than a processor says so with [`require!`]. Where the machine lacks it, the test
//! prints what is missing and returns; where the environment variable `REQUIRE` names the need
//! (`REQUIRE=root,uring,vm,shared,oracles`), the lack is a failure. So a developer's laptop passes, and a CI
//! machine that silently lost a capability does not.
//!
//! The crate has no dependency, so that every crate may name it as a dev-dependency.

pub mod cuda;
pub mod need;
pub mod oracle;

pub use need::Need;

/// Returns from the test, after saying why, when one of the named [`Need`]s is not met here.
#[macro_export]
macro_rules! require {
    ($($need:ident),+ $(,)?) => {
        $(if !$crate::need::met($crate::Need::$need, $crate::need::missing($crate::Need::$need)) { return; })+
    };
}
