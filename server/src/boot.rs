//! The composition root: the only file that knows every part.

use crate::lifecycle::Lifecycle;
use crate::settings::Flags;
use crate::{http, settings};
use anyhow::{Context as _, Result};
use saltpeter_domain::Settings;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;

/// What to boot.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory of the job files.
    pub config_dir: PathBuf,
    /// The command line's flags.
    pub flags: Flags,
}

/// A server that is up.
#[derive(Debug)]
pub struct Running {
    lifecycle: Lifecycle,
    api_addr: Option<SocketAddr>,
}

impl Running {
    /// Where the dashboard and the API listen; `None` when they are not served.
    pub fn api_addr(&self) -> Option<SocketAddr> {
        self.api_addr
    }

    /// Its life, to stop it.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Waits for the end of the server. An error says why it came down by itself.
    pub async fn wait(self) -> Result<()> {
        self.lifecycle.run_to_end(std::future::ready(())).await?;
        Ok(())
    }
}

/// Starts every part.
pub async fn boot(options: Options) -> Result<Running> {
    let lifecycle = Lifecycle::new();
    let settings = options.flags.over(&Settings::default());
    let _ = settings::default_data_dir();
    let mut api_addr = None;
    if settings.api_ws {
        let listener = listen(
            SocketAddr::new(settings.api_ws_bind_addr, settings.api_ws_port),
            "the dashboard and the API",
            "--port",
        )
        .await?;
        api_addr = Some(listener.local_addr()?);
        let router = http::router();
        let hard = lifecycle.hard().clone();
        lifecycle.spawn("the API", async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(hard.cancelled_owned())
                .await
        });
    }
    if let Some(addr) = api_addr {
        tracing::info!("the dashboard is on http://{addr}");
    }
    Ok(Running {
        lifecycle,
        api_addr,
    })
}

async fn listen(addr: SocketAddr, what: &str, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(addr).await.with_context(|| {
        format!("cannot listen on {addr} for {what}; choose another port with {flag}")
    })
}
