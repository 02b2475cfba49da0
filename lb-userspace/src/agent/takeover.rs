//! One agent follows another.

use std::thread;
use std::time::{Duration, Instant};

use super::AgentError;
use super::client::Client;
use super::socket::SocketOptions;
use crate::registry::{Lock, Registry, RegistryError};

/// How long the other agent may take to let go of everything.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it has.
const PAUSE: Duration = Duration::from_millis(20);

/// Makes this process the agent of the node. One that runs already is asked to hand over if `upgrade`.
///
/// # Errors
/// When another agent runs and stays.
pub(super) fn claim(
    registry: &Registry,
    socket: &SocketOptions,
    upgrade: bool,
) -> Result<Lock, AgentError> {
    let pid = match registry.claim_agent() {
        Ok(lock) => return Ok(lock),
        Err(RegistryError::Agent { pid }) if upgrade => pid,
        Err(error) => return Err(error.into()),
    };
    tracing::info!("asking the agent with process id {pid} to hand over");
    let stays = |reason: String| AgentError::HandOver { pid: pid.clone(), reason };
    Client::new(&socket.path).hand_over().map_err(|error| stays(error.to_string()))?;
    let start = Instant::now();
    loop {
        match registry.claim_agent() {
            Ok(lock) => return Ok(lock),
            Err(RegistryError::Agent { .. }) if start.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Err(RegistryError::Agent { .. }) => {
                return Err(stays(format!("it is still there after {} s", PATIENCE.as_secs())));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
