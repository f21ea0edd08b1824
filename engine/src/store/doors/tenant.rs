//! Tenants and their settings.

use std::sync::Arc;

use actors::machine::input::FactBody;
use actors::ports::{Sender, ShardId};
use chrono_tz::Tz;
use futures::future::BoxFuture;
use schedules::calendar::Calendar;
use schedules::charges::ChargeRule;
use schedules::id::TenantId;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::template::Template;
use schedules::time::Timestamp;

use crate::store::codec::json;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::{ALONE, Lane};
use crate::store::reads::Tag;
use crate::store::sql::{Arg, Batch, Sql, args, both, row};
use crate::store::{SHARDS, Store};

/// A tenant to begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTenant {
    /// The name that its contacts know.
    pub name: String,
    /// Its CPF or CNPJ, formatted.
    pub document: Option<String>,
    /// Its postal address, in one line.
    pub address: Option<String>,
    /// The zone in which its days are counted.
    pub zone: Tz,
    /// Its rules.
    pub rules: RulePack,
    /// Its calendar.
    pub calendar: Calendar,
    /// Its penalty and interest, where it has declared them.
    pub charges: Option<ChargeRule>,
    /// How often an attempt is tried again.
    pub retry: RetryPolicy,
    /// The longest silence of its payment feed that is not alarming; `None` when none is expected.
    pub feed_silence_max_ms: Option<i64>,
    /// Its credits; `None` when it is not metered.
    pub credits: Option<i64>,
    /// Its sending identities, one per channel.
    pub senders: Vec<Sender>,
}

/// Who a tenant is for its contacts.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name that they know.
    pub name: String,
    /// Its CPF or CNPJ, formatted.
    pub document: Option<String>,
    /// Its postal address, in one line.
    pub address: Option<String>,
}

/// Shows nothing: a document may be a person's.
impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").finish_non_exhaustive()
    }
}

/// An edit of settings, by its own id: given again, it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The edit's own id within the tenant.
    pub event_id: String,
    /// The door or the caller, for the audit; never personal data.
    pub source: String,
    /// The door's clock.
    pub at: Timestamp,
}

impl Edit {
    /// Returns the name under which what it makes is known; neither part has a line break.
    pub(in crate::store) fn name(&self) -> String {
        format!("{}\n{}", self.source, self.event_id)
    }
}

/// A setting of a tenant.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// Who it is.
    Profile(Profile),
    /// Its rules.
    Rules(RulePack),
    /// Its calendar; everything is planned again.
    Calendar(Calendar),
    /// Its penalty and interest.
    Charges(Option<ChargeRule>),
    /// How often an attempt is tried again.
    Retry(RetryPolicy),
    /// A sending identity.
    Sender(Sender),
    /// A template; its version is set by the store.
    Template(Template),
    /// Credits that were bought, added to the balance.
    CreditsBought(i64),
    /// The longest silence of its payment feed that is not alarming.
    FeedSilence(Option<i64>),
}

const TENANT: Sql = both(
    "INSERT INTO tenants (name, document, address, zone, shard, rules, rules_version, calendar,
         charges, retry, created_at, made_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (made_by) DO NOTHING
     RETURNING id",
);

const MADE_BY: Sql = both("SELECT id FROM tenants WHERE made_by = $1");

const SHARD: Sql = both("UPDATE tenants SET shard = $2 WHERE id = $1");

const FEED: Sql =
    both("INSERT INTO feeds (tenant_id, silence_max_ms, heard_at) VALUES ($1, $2, $3)");

const GATE: Sql = both("INSERT INTO import_gates (tenant_id) VALUES ($1)");

const CREDITS: Sql = both(
    "INSERT INTO credits (tenant_id, balance, held) VALUES ($1, $2, 0)
     ON CONFLICT (tenant_id) DO UPDATE SET balance = credits.balance + excluded.balance",
);

const SENDER: Sql = both(
    "INSERT INTO senders (tenant_id, channel, provider, pace_per_second, pace_burst)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (tenant_id, channel) DO UPDATE
     SET provider = excluded.provider, pace_per_second = excluded.pace_per_second,
         pace_burst = excluded.pace_burst",
);

const TEMPLATE_VERSION: Sql = both(
    "SELECT coalesce(max(version), 0) + 1 FROM templates
     WHERE tenant_id = $1 AND code = $2 AND channel = $3",
);

const TEMPLATE: Sql = both(
    "INSERT INTO templates (tenant_id, code, channel, version, content, created_at)
     VALUES ($1, $2, $3, $4, $5, $6)",
);

const PROFILE: Sql =
    both("UPDATE tenants SET name = $2, document = $3, address = $4 WHERE id = $1");
const RULES: Sql = both("UPDATE tenants SET rules = $2, rules_version = $3 WHERE id = $1");
const CALENDAR: Sql = both("UPDATE tenants SET calendar = $2 WHERE id = $1");
const CHARGES: Sql = both("UPDATE tenants SET charges = $2 WHERE id = $1");
const RETRY: Sql = both("UPDATE tenants SET retry = $2 WHERE id = $1");
const SILENCE: Sql = both("UPDATE feeds SET silence_max_ms = $2 WHERE tenant_id = $1");

const EXISTS: Sql = both("SELECT id FROM tenants WHERE id = $1");

const FACT: Sql = both(
    "INSERT INTO inbox (tenant_id, event_id, source, occurred_at, received_at, body)
     VALUES ($1, $2, $3, $4, $4, $5)
     ON CONFLICT (tenant_id, source, event_id) DO NOTHING
     RETURNING seq",
);

impl Store {
    /// Adds a tenant.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when its name is empty or its rules cannot be followed.
    pub async fn create_tenant(
        &self,
        tenant: &NewTenant,
        at: Timestamp,
    ) -> Result<TenantId, StoreError> {
        let edit = Edit {
            event_id: String::new(),
            source: "admin".into(),
            at,
        };
        self.write_tenant(tenant, edit, None).await
    }

    /// Adds a tenant by an edit; given again, the edit returns the tenant that it made.
    ///
    /// # Errors
    /// As [`Store::create_tenant`].
    pub async fn create_tenant_once(
        &self,
        tenant: &NewTenant,
        edit: Edit,
    ) -> Result<TenantId, StoreError> {
        let made_by = Some(edit.name());
        self.write_tenant(tenant, edit, made_by).await
    }

    async fn write_tenant(
        &self,
        tenant: &NewTenant,
        edit: Edit,
        made_by: Option<String>,
    ) -> Result<TenantId, StoreError> {
        tenant.check()?;
        let new = Arc::new((tenant.clone(), edit, made_by));
        self.write(Lane::Doors, ALONE, move |conn| {
            create(conn, Arc::clone(&new))
        })
        .await
    }

    /// Changes a setting of a tenant; returns false when the edit was known.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant; [`StoreError::Invalid`] when the
    /// setting cannot be followed.
    pub async fn put_setting(
        &self,
        tenant: TenantId,
        edit: Edit,
        setting: Setting,
    ) -> Result<bool, StoreError> {
        self.put_setting_if(tenant, edit, setting, None).await
    }

    /// As [`Store::put_setting`], only while what stands in the setting's place has one of the tags
    /// that are expected: of two who expect the same, one is the first.
    ///
    /// # Errors
    /// As [`Store::put_setting`], and [`StoreError::Outdated`].
    pub async fn put_setting_if(
        &self,
        tenant: TenantId,
        edit: Edit,
        setting: Setting,
        expected: Option<Vec<Tag>>,
    ) -> Result<bool, StoreError> {
        setting.check()?;
        let change = Arc::new((edit, setting, expected));
        self.write(Lane::Doors, ALONE, move |conn| {
            put(conn, tenant, Arc::clone(&change))
        })
        .await
    }
}

fn create(
    conn: &mut Conn,
    new: Arc<(NewTenant, Edit, Option<String>)>,
) -> BoxFuture<'_, Result<TenantId, StoreError>> {
    Box::pin(async move {
        let (tenant, edit, made_by) = &*new;
        let at = edit.at;
        let row = args![
            tenant.name.as_str(),
            tenant.document.clone(),
            tenant.address.clone(),
            tenant.zone.name(),
            // Its shard follows from the id that the database gives it.
            0_i64,
            json(&tenant.rules)?,
            i64::from(tenant.rules.version),
            json(&tenant.calendar)?,
            tenant.charges.as_ref().map(json).transpose()?,
            json(&tenant.retry)?,
            at.unix_ms(),
            made_by.clone(),
        ];
        const LOST: StoreError = StoreError::Unreadable { what: "tenant" };
        let Some(mut row) = conn.first(&TENANT, row).await? else {
            let made = conn.first(&MADE_BY, args![made_by.clone()]).await?;
            return Ok(TenantId(made.ok_or(LOST)?.int()?));
        };
        let id = row.int()?;
        let shard = ShardId::of(TenantId(id), SHARDS);
        conn.execute(&SHARD, args![id, i64::from(shard.0)]).await?;
        conn.execute(&FEED, args![id, tenant.feed_silence_max_ms, at.unix_ms()])
            .await?;
        conn.execute(&GATE, args![id]).await?;
        super::engine::begin(conn, id).await?;
        if let Some(credits) = tenant.credits {
            conn.execute(&CREDITS, args![id, credits]).await?;
        }
        for sender in &tenant.senders {
            conn.execute(&SENDER, sender_args(id, sender)).await?;
        }
        let id = TenantId(id);
        audit(conn, id, edit, "tenant.created", id.to_string()).await?;
        Ok(id)
    })
}

fn sender_args(tenant: i64, sender: &Sender) -> Vec<Arg> {
    args![
        tenant,
        sender.channel.as_str(),
        sender.provider.as_str(),
        i64::from(sender.pace.per_second),
        i64::from(sender.pace.burst),
    ]
}

fn put(
    conn: &mut Conn,
    tenant: TenantId,
    change: Arc<(Edit, Setting, Option<Vec<Tag>>)>,
) -> BoxFuture<'_, Result<bool, StoreError>> {
    Box::pin(async move {
        let (edit, setting, expected) = &*change;
        let fact = match setting {
            Setting::Calendar(_) => FactBody::CalendarChanged,
            _ => FactBody::SettingsChanged,
        };
        if !record_edit(conn, tenant, edit, &fact).await? {
            return Ok(false);
        }
        setting.expect(conn, tenant, expected.as_deref()).await?;
        let action = apply(conn, tenant, edit.at, setting).await?;
        audit(conn, tenant, edit, action, tenant.to_string()).await?;
        Ok(true)
    })
}

async fn apply(
    conn: &mut Conn,
    tenant: TenantId,
    at: Timestamp,
    setting: &Setting,
) -> Result<&'static str, StoreError> {
    let id = tenant.0;
    let (sql, args, action) = match setting {
        Setting::Profile(Profile {
            name,
            document,
            address,
        }) => (
            &PROFILE,
            args![id, name.as_str(), document.clone(), address.clone()],
            "profile.changed",
        ),
        Setting::Rules(rules) => (
            &RULES,
            args![id, json(rules)?, i64::from(rules.version)],
            "rules.changed",
        ),
        Setting::Calendar(calendar) => (&CALENDAR, args![id, json(calendar)?], "calendar.changed"),
        Setting::Charges(charges) => {
            let charges = charges.as_ref().map(json).transpose()?;
            (&CHARGES, args![id, charges], "charges.changed")
        }
        Setting::Retry(retry) => (&RETRY, args![id, json(retry)?], "retry.changed"),
        Setting::Sender(sender) => (&SENDER, sender_args(id, sender), "sender.changed"),
        Setting::Template(template) => (
            &TEMPLATE,
            template_args(conn, id, template, at).await?,
            "template.changed",
        ),
        Setting::CreditsBought(credits) => (&CREDITS, args![id, *credits], "credits.bought"),
        Setting::FeedSilence(silence) => (&SILENCE, args![id, *silence], "feed.changed"),
    };
    conn.execute(sql, args).await?;
    Ok(action)
}

async fn template_args(
    conn: &mut Conn,
    tenant: i64,
    template: &Template,
    at: Timestamp,
) -> Result<Vec<Arg>, StoreError> {
    let (code, channel) = (template.code.as_str(), template.channel.as_str());
    let next = conn
        .first(&TEMPLATE_VERSION, args![tenant, code, channel])
        .await?;
    let version = next
        .ok_or(StoreError::Unreadable { what: "template" })?
        .small()?;
    let content = json(&Template {
        version,
        ..template.clone()
    })?;
    Ok(args![
        tenant,
        code,
        channel,
        i64::from(version),
        content,
        at.unix_ms()
    ])
}

/// Puts an edit into the inbox; returns false when its id is known.
pub(super) async fn record_edit(
    conn: &mut Conn,
    tenant: TenantId,
    edit: &Edit,
    fact: &FactBody,
) -> Result<bool, StoreError> {
    let found = conn.first(&EXISTS, args![tenant.0]).await?;
    found.ok_or(StoreError::Absent { what: "tenant" })?;
    let row = args![
        tenant.0,
        edit.event_id.as_str(),
        edit.source.as_str(),
        edit.at.unix_ms(),
        json(fact)?
    ];
    Ok(conn.first(&FACT, row).await?.is_some())
}

const LEFT: Sql = both(
    "UPDATE inbox SET applied_at = received_at
     WHERE tenant_id = $1 AND source = $2 AND event_id = $3",
);

/// Leaves an edit that changed nothing in the inbox for its id; the owner need not look at it.
pub(super) async fn leave_edit(
    conn: &mut Conn,
    tenant: TenantId,
    edit: &Edit,
) -> Result<(), StoreError> {
    let id = args![tenant.0, edit.source.as_str(), edit.event_id.as_str()];
    conn.execute(&LEFT, id).await.map(drop)
}

pub(super) async fn audit(
    conn: &mut Conn,
    tenant: TenantId,
    edit: &Edit,
    action: &str,
    subject: String,
) -> Result<(), StoreError> {
    let mut rows = Batch::default();
    rows.push(row![
        tenant.0,
        edit.at.unix_ms(),
        edit.source.as_str(),
        action,
        subject,
        "{}"
    ]);
    crate::store::audit::record(conn, rows).await
}
