//! Salt by its REST service, salt-api (`rest_cherrypy`).

mod link;
mod refusal;
mod rest;
mod session;

pub use rest::Rest;
pub use session::{Credentials, Password};

use super::connection::Connection;
use crate::clock::Clock;
use anyhow::Result;
use link::Link;
use session::Session;
use std::path::Path;
use std::sync::Arc;

/// The environment variable that has the password where no file is named.
pub const PASSWORD_VARIABLE: &str = "SALTPETER_SALT_API_PASSWORD";

/// Salt by salt-api.
pub type SaltApi = Connection<Rest>;

impl SaltApi {
    /// Salt by the service at `url`; `ca` is a file of authorities to trust besides the host's.
    pub fn new(
        url: &str,
        credentials: Credentials,
        ca: Option<&Path>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let link = Link::new(url, ca)?;
        let rest = Rest::new(link.clone(), Session::new(link, credentials));
        Ok(Self::over(rest, clock))
    }
}
