//! The seed's network node in namespaces: VIP, members and clients of a pool on the bridge
//! br-int, in one arm or with a router between.

mod family;
mod host;
mod node;
mod pool_net;
mod pools;
mod tenant;

pub use family::Family;
pub use host::Host;
pub use node::LbaasNode;
pub use pool_net::{Layout, Place, PoolNet, one_arm};
pub use pools::{SSH_POOL, SSH_POOL_V6, SeedPool, WEB_POOL, WEB_POOL_V6};
pub use tenant::Tenant;
