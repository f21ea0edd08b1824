//! A connection to the broker: made within a time, and lost for good when anything is wrong.
//!
//! The library's own recovery is not used: after a channel's error, or when its tries are used up,
//! it waits in silence. Whoever loses a link makes another.

use std::str::FromStr as _;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind};
use tokio::time::timeout;

use crate::config::Secret;

/// How long connecting may take, and each thing that is asked of the broker then.
pub const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How often each side shows that it is there, in seconds: twice as long in silence is the end.
const HEARTBEAT_S: u16 = 5;

/// Where the broker is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Broker {
    /// Its address, which may hold a password.
    pub url: Secret,
    /// Certificates to trust besides those of the web, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
}

/// Why a link was not made, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The address is none of AMQP; it is not repeated, for it may hold a password.
    #[error("address of the broker cannot be read")]
    Address,
    /// The broker did not answer in time.
    #[error("broker did not answer in time")]
    Silence,
    /// The way to the broker is not there.
    #[error("broker cannot be reached: {0}")]
    Unreachable(String),
    /// The broker does not allow it.
    #[error("broker refuses: {0}")]
    Refused(String),
    /// Something is there under a name that is otherwise.
    #[error("broker has something else: {0}")]
    Differs(String),
    /// The broker ended the consumer, as it does when a queue is deleted, or there is none.
    #[error("there is no queue to consume: the topology is not there")]
    Ended,
    /// A message of which the broker said that it has it came back: nothing leads to a queue.
    #[error("no queue takes what is published: the topology is not there")]
    Unroutable,
    /// The broker could not keep a message.
    #[error("broker did not keep a message")]
    NotKept,
}

impl From<lapin::Error> for LinkError {
    fn from(error: lapin::Error) -> Self {
        let ErrorKind::ProtocolError(said) = error.kind() else {
            return Self::Unreachable(error.to_string());
        };
        let text = said.get_message().to_string();
        match said.get_id() {
            403 | 530 => Self::Refused(text),
            404 => Self::Ended,
            406 => Self::Differs(text),
            _ => Self::Unreachable(text),
        }
    }
}

impl LinkError {
    /// Returns the code under which the runbook explains the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address => "RG-BUS-001",
            Self::Silence | Self::Unreachable(_) => "RG-BUS-002",
            Self::Ended | Self::Unroutable => "RG-BUS-003",
            Self::NotKept => "RG-BUS-004",
            Self::Refused(_) => "RG-BUS-006",
            Self::Differs(_) => "RG-BUS-007",
        }
    }
}

impl Broker {
    /// Reads an address as AMQP has them.
    ///
    /// # Errors
    /// [`LinkError::Address`].
    pub fn read(url: &str) -> Result<AMQPUri, LinkError> {
        AMQPUri::from_str(url).map_err(|_| LinkError::Address)
    }

    /// Says whether what is said on the way can be read by others.
    pub fn is_in_the_clear(uri: &AMQPUri) -> bool {
        matches!(uri.scheme, AMQPScheme::AMQP)
    }

    /// Connects; `name` is what the broker's operators read.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn connect(&self, name: &str) -> Result<Connection, LinkError> {
        let mut uri = Self::read(self.url.expose())?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tls = OwnedTLSConfig {
            identity: None,
            cert_chain: self.authorities.clone(),
        };
        let runtime = lapin::runtime::default_runtime()?;
        let connecting = Connection::connect_uri_with_config(uri, properties, tls, runtime);
        in_time(connecting).await
    }
}

/// Waits for an answer of the broker, but not for ever.
///
/// # Errors
/// [`LinkError`].
pub async fn in_time<T>(asked: impl Future<Output = lapin::Result<T>>) -> Result<T, LinkError> {
    let answered = timeout(ANSWER_MAX, asked).await;
    Ok(answered.map_err(|_| LinkError::Silence)??)
}

/// Opens a channel on which the broker confirms what it keeps.
///
/// # Errors
/// [`LinkError`].
pub async fn confirming(connection: &Connection) -> Result<Channel, LinkError> {
    let channel = in_time(connection.create_channel()).await?;
    in_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// Publishes a message, and returns once the broker has it on its disks.
///
/// # Errors
/// [`LinkError::Unroutable`] when no queue took it; [`LinkError::NotKept`]; otherwise nobody knows
/// whether it is there: it is published again under the same id.
pub async fn publish(
    channel: &Channel,
    (exchange, routing_key): (&str, &str),
    body: &[u8],
    properties: BasicProperties,
) -> Result<(), LinkError> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let publishing = async {
        let (exchange, routing_key) = (exchange.into(), routing_key.into());
        channel
            .basic_publish(exchange, routing_key, options, body, properties)
            .await?
            .await
    };
    let confirmation = in_time(publishing).await?;
    if !confirmation.is_ack() {
        return Err(LinkError::NotKept);
    }
    match confirmation.take_message() {
        Some(_) => Err(LinkError::Unroutable),
        None => Ok(()),
    }
}
