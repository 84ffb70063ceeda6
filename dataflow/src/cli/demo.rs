use super::CliError;
#[derive(Debug, clap::Args)]
pub(super) struct Demo {}
impl Demo {
    pub(super) fn main(self) -> Result<(), CliError> {
        Ok(())
    }
}
