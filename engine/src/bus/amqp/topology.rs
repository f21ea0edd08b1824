//! What the broker holds for the engine: exchanges, queues and what leads from one to the other.
//!
//! It is declared when an installation is set up (`regua topology apply`), not by whoever comes
//! first: RabbitMQ 3.10 that is killed right after a quorum queue was declared loses the queue, and
//! what it had confirmed. `deploy/rabbitmq/definitions.json` says the same to a broker's import.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use serde_json::{Value, json};

/// Where publishers say what happened; the routing key is the type of the event.
pub const EVENTS_IN: &str = "regua.events.in";
/// Where the broker puts what was delivered too often.
pub const DEAD: &str = "regua.dead";
/// What the nodes consume.
pub const INBOX: &str = "regua.inbox";
/// How often a message is delivered that nobody acknowledges.
pub const DELIVERIES_MAX: i64 = 20;

struct Exchange {
    name: &'static str,
    /// Nobody publishes to it but the broker.
    internal: bool,
}

struct Queue {
    name: &'static str,
    /// From which exchange everything comes to it.
    from: &'static str,
    arguments: &'static [(&'static str, Argument)],
}

enum Argument {
    Text(&'static str),
    Number(i64),
}

const EXCHANGES: [Exchange; 2] = [
    Exchange {
        name: EVENTS_IN,
        internal: false,
    },
    Exchange {
        name: DEAD,
        internal: true,
    },
];

/// A quorum queue: it is on the disks of most of its nodes before anything is confirmed.
const QUORUM: (&str, Argument) = ("x-queue-type", Argument::Text("quorum"));
/// At least once needs this on both queues, or the broker dead-letters at most once.
const REFUSES: (&str, Argument) = ("x-overflow", Argument::Text("reject-publish"));

const QUEUES: [Queue; 2] = [
    Queue {
        name: INBOX,
        from: EVENTS_IN,
        arguments: &[
            QUORUM,
            REFUSES,
            ("x-delivery-limit", Argument::Number(DELIVERIES_MAX)),
            ("x-dead-letter-exchange", Argument::Text(DEAD)),
            ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ],
    },
    Queue {
        name: DEAD,
        from: DEAD,
        // Newer brokers drop what comes back too often where nothing says otherwise.
        arguments: &[
            QUORUM,
            REFUSES,
            ("x-delivery-limit", Argument::Number(i32::MAX as i64)),
        ],
    },
];

/// The routing key that everything has.
const EVERYTHING: &str = "#";

/// Returns the definitions as RabbitMQ imports them, for the virtual host `/`.
pub fn definitions() -> Value {
    let exchanges = EXCHANGES.iter().map(|it| {
        json!({
            "name": it.name, "vhost": "/", "type": "topic", "durable": true,
            "auto_delete": false, "internal": it.internal, "arguments": {},
        })
    });
    let queues = QUEUES.iter().map(|it| {
        let arguments = it.arguments.iter().map(|(name, value)| {
            let value = match value {
                Argument::Text(text) => json!(text),
                Argument::Number(number) => json!(number),
            };
            ((*name).to_owned(), value)
        });
        let arguments: serde_json::Map<String, Value> = arguments.collect();
        json!({
            "name": it.name, "vhost": "/", "durable": true, "auto_delete": false,
            "arguments": arguments,
        })
    });
    let bindings = QUEUES.iter().map(|it| {
        json!({
            "source": it.from, "vhost": "/", "destination": it.name,
            "destination_type": "queue", "routing_key": EVERYTHING, "arguments": {},
        })
    });
    json!({
        "exchanges": exchanges.collect::<Vec<_>>(),
        "queues": queues.collect::<Vec<_>>(),
        "bindings": bindings.collect::<Vec<_>>(),
    })
}

/// Declares everything; what is there already as it should be stays.
///
/// # Errors
/// [`lapin::Error`], which also says that something is there under the name that is otherwise.
pub async fn declare(channel: &Channel) -> lapin::Result<()> {
    for exchange in &EXCHANGES {
        let options = ExchangeDeclareOptions {
            durable: true,
            internal: exchange.internal,
            ..ExchangeDeclareOptions::default()
        };
        let name = exchange.name.into();
        channel
            .exchange_declare(name, ExchangeKind::Topic, options, FieldTable::default())
            .await?;
    }
    for queue in &QUEUES {
        let mut arguments = FieldTable::default();
        for (name, value) in queue.arguments {
            let value = match value {
                Argument::Text(text) => AMQPValue::LongString((*text).into()),
                Argument::Number(number) => AMQPValue::LongLongInt(*number),
            };
            arguments.insert((*name).into(), value);
        }
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(queue.name.into(), options, arguments)
            .await?;
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel
            .queue_bind(
                queue.name.into(),
                queue.from.into(),
                EVERYTHING.into(),
                options,
                none,
            )
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deployed_is_what_is_declared() {
        let deployed = include_str!("../../../../deploy/rabbitmq/definitions.json");
        let deployed: Value = serde_json::from_str(deployed).expect("JSON");
        assert_eq!(deployed, definitions());
    }
}
