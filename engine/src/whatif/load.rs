//! Reads what a rehearsal begins with, page by page.

use std::collections::{BTreeMap, BTreeSet};

use actors::machine::CLAIM_LASTS_MS;
use actors::ports::{CampaignState, Settings};
use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};
use schedules::time::Timestamp;

use super::{ENROLLMENTS_MAX, PREVIEWED_MAX, World};
use crate::store::{Meant, Seen, Store, StoreError, Whom};

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The tenant.
    pub tenant: TenantId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The version of its content; the newest when there is none.
    pub version: Option<u32>,
    /// Whose boletos.
    pub whom: Whom,
}

/// What was read.
pub struct Loaded {
    /// What the rehearsal begins with.
    pub world: World,
    /// The version of the campaign's content.
    pub version: u32,
    /// The tenant's settings as they are; those of the world's campaign may be of another version.
    pub settings: Settings,
    /// What of additions to an estimate was seen.
    pub seen: Seen,
    /// There are more boletos or enrollments than are considered.
    pub truncated: bool,
    /// The boletos that were named, as far as they are the tenant's; those that were looked for
    /// otherwise, as far as they were found.
    pub meant: BTreeMap<BoletoId, Meant>,
}

/// Reads what a rehearsal at `now` begins with.
///
/// # Errors
/// [`StoreError::Absent`] when there is no such tenant, campaign or version; an archived campaign
/// has only versions that are asked for by number.
pub async fn load(store: &Store, asked: &Asked, now: Timestamp) -> Result<Loaded, StoreError> {
    let ground = store.ground(asked.tenant).await?;
    let settings = ground.snapshot.settings;
    let (tried, replans) = tried(store, asked, settings.clone()).await?;
    let states = tried.campaigns.iter();
    let state = states
        .into_iter()
        .find(|one| one.campaign.id == asked.campaign);
    let version = state.map_or(0, |state| state.campaign.version);
    let rules = &tried.tenant.rules;
    let since = now.plus_ms(-rules.lookback_ms() - CLAIM_LASTS_MS);
    let mut loaded = Loaded {
        version,
        settings,
        seen: ground.seen,
        truncated: false,
        meant: BTreeMap::new(),
        world: World {
            settings: tried,
            campaign: asked.campaign,
            replans,
            unsettled: ground.snapshot.unsettled,
            tallies: ground.snapshot.tallies,
            boletos: Vec::new(),
            contacts: Vec::new(),
            standing: Vec::new(),
        },
    };
    match &asked.whom {
        Whom::All(limit) => all(store, asked, *limit, since, &mut loaded).await?,
        whom => some(store, asked, whom, since, &mut loaded).await?,
    }
    Ok(loaded)
}

/// Returns the settings with the content that is asked for, and whether it is another than the one
/// that the campaign's enrollments were planned by.
async fn tried(
    store: &Store,
    asked: &Asked,
    mut settings: Settings,
) -> Result<(Settings, bool), StoreError> {
    let mut states = settings.campaigns.iter_mut();
    let current = states.find(|state| state.campaign.id == asked.campaign);
    let wanted = match (&current, asked.version) {
        (Some(state), Some(version)) if state.campaign.version != version => version,
        (Some(_), _) => return Ok((settings, false)),
        (None, Some(version)) => version,
        (None, None) => return Err(StoreError::Absent { what: "campaign" }),
    };
    let content = store.campaign_version(asked.tenant, asked.campaign, wanted);
    let campaign = content.await?;
    match current {
        Some(state) => state.campaign = campaign,
        None => settings.campaigns.push(CampaignState {
            campaign,
            running: false,
        }),
    }
    Ok((settings, true))
}

async fn all(
    store: &Store,
    asked: &Asked,
    limit: usize,
    since: Timestamp,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let (tenant, campaign) = (asked.tenant, asked.campaign);
    let world = &mut loaded.world;
    let mut known = BTreeSet::new();
    let mut after = BoletoId(i64::MIN);
    loop {
        // One more than is wanted shows that there are more.
        let room = limit - world.boletos.len() + 1;
        let page = store.open_boletos(tenant, campaign, after, room).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.boleto.id;
        let met = page.iter().map(|one| one.contact);
        let new: BTreeSet<ContactId> = met.filter(|contact| known.insert(*contact)).collect();
        world.boletos.extend(page);
        loaded.truncated = world.boletos.len() > limit;
        world.boletos.truncate(limit);
        let contacts = store.contacts_since(tenant, &new, since).await?;
        world.contacts.extend(contacts);
        if loaded.truncated {
            break;
        }
    }
    let mut after = EnrollmentId(i64::MIN);
    loop {
        let page = store.standing_enrollments(tenant, campaign, after).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        let considered = |id: &BoletoId| {
            let found = world.boletos.binary_search_by_key(id, |one| one.boleto.id);
            found.is_ok()
        };
        let page = page.into_iter().filter(|one| considered(&one.boleto));
        let page: Vec<_> = page.collect();
        world.standing.extend(page);
        if world.standing.len() > ENROLLMENTS_MAX {
            loaded.truncated = true;
            return Ok(());
        }
    }
}

async fn some(
    store: &Store,
    asked: &Asked,
    whom: &Whom,
    since: Timestamp,
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let (tenant, campaign) = (asked.tenant, asked.campaign);
    let meant = store.meant(tenant, campaign, whom).await?;
    let contacts: BTreeSet<ContactId> = meant.values().map(|one| one.contact).collect();
    loaded.meant = meant;
    let world = &mut loaded.world;
    world.contacts = store.contacts_since(tenant, &contacts, since).await?;
    let boletos = store.open_boletos_of(tenant, campaign, &contacts, PREVIEWED_MAX + 1);
    world.boletos = boletos.await?;
    loaded.truncated = world.boletos.len() > PREVIEWED_MAX;
    world.boletos.truncate(PREVIEWED_MAX);
    let ids: Vec<BoletoId> = world.boletos.iter().map(|one| one.boleto.id).collect();
    let standing = store.standing_enrollments_of(tenant, campaign, &ids);
    world.standing = standing.await?;
    Ok(())
}
