//! Templates: the newest of each code and channel, and the versions of a code.

use schedules::id::TenantId;
use schedules::template::Template;
use schedules::time::Timestamp;

use super::tags::{Tag, Tagged};
use super::{Ask, Page};
use crate::store::Store;
use crate::store::codec::instant;
use crate::store::conn::Row;
use crate::store::error::StoreError;
use crate::store::sql::{Sql, args, both};

/// A version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRow {
    /// The template.
    pub template: Template,
    /// When this version was stored.
    pub created_at: Timestamp,
}

/// Code and channel.
pub type TemplateKey = (String, String);

/// Channel and version, of one code.
pub type TemplateVersionKey = (String, i64);

pub(super) const NEWEST: Sql = both(
    "SELECT t.code, t.channel, t.content, t.created_at FROM templates t
     WHERE t.tenant_id = $1
       AND (t.code, t.channel) > ($2, $3)
       AND t.version = (SELECT max(n.version) FROM templates n
           WHERE n.tenant_id = t.tenant_id AND n.code = t.code AND n.channel = t.channel)
     ORDER BY t.code, t.channel
     LIMIT $4",
);

pub(super) const NEWEST_OF_CODE: Sql = both(
    "SELECT channel, max(version) FROM templates
     WHERE tenant_id = $1 AND code = $2
     GROUP BY channel
     ORDER BY channel",
);

pub(super) const VERSIONS: Sql = both(
    "SELECT channel, version, content, created_at FROM templates
     WHERE tenant_id = $1 AND code = $2 AND (channel, version) > ($3, $4)
     ORDER BY channel, version
     LIMIT $5",
);

impl Store {
    /// Lists the newest version of each of a tenant's templates, by code and channel.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_templates(
        &self,
        tenant: TenantId,
        ask: &Ask<TemplateKey>,
    ) -> Result<Page<TemplateRow, TemplateKey>, StoreError> {
        let reads = ask.reads(false);
        let (code, channel) = ask.after.clone().unwrap_or_default();
        let args = args![tenant.0, code, channel, i64::from(reads)];
        self.read(async |conn| {
            let rows = conn.rows(&NEWEST, args).await?.into_iter();
            let rows = rows.map(|mut row| {
                let key = (row.text()?, row.text()?);
                Ok::<_, StoreError>((key, read(row)?))
            });
            Ok(ask.page(reads, rows.collect::<Result<_, _>>()?, |_| true))
        })
        .await
    }

    /// Lists the versions of a code by channel, the first one first. Their tag is that of the
    /// newest ones, whichever page it is.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when the tenant has no template of the code.
    pub async fn list_template_versions(
        &self,
        tenant: TenantId,
        code: &str,
        ask: &Ask<TemplateVersionKey>,
    ) -> Result<Tagged<Page<TemplateRow, TemplateVersionKey>>, StoreError> {
        let reads = ask.reads(false);
        let (channel, version) = ask.after.clone().unwrap_or_default();
        self.read(async |conn| {
            let newest = conn.rows(&NEWEST_OF_CODE, args![tenant.0, code]).await?;
            if newest.is_empty() {
                return Err(StoreError::Absent { what: "template" });
            }
            let tag = tag(newest)?;
            let args = args![tenant.0, code, channel, version, i64::from(reads)];
            let rows = conn.rows(&VERSIONS, args).await?.into_iter();
            let rows = rows.map(|mut row| {
                let key = (row.text()?, row.int()?);
                Ok::<_, StoreError>((key, read(row)?))
            });
            let what = ask.page(reads, rows.collect::<Result<_, _>>()?, |_| true);
            Ok(Tagged { what, tag })
        })
        .await
    }
}

/// Returns the tag of a code: what channels it is for, in which versions.
pub(super) fn tag(newest: Vec<Row>) -> Result<Tag, StoreError> {
    let mut parts = Vec::new();
    for mut row in newest {
        parts.push(row.text()?);
        parts.push(row.int()?.to_string());
    }
    Ok(Tag::of(parts.iter().map(String::as_str)))
}

fn read(mut row: Row) -> Result<TemplateRow, StoreError> {
    Ok(TemplateRow {
        template: row.json("template")?,
        created_at: instant(&mut row)?,
    })
}
