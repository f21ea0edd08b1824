//! Why reminders are stopped: for good, or until somebody lets them go on.

use serde::{Deserialize, Serialize};

/// Why the reminders of a subject are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The boleto was paid.
    Paid,
    /// The boleto was cancelled.
    Cancelled,
    /// The contact opted out of every channel.
    OptedOut,
    /// The campaign is paused.
    CampaignPaused,
    /// The campaign was ended by the tenant.
    CampaignArchived,
    /// The tenant is paused, or its kill switch is on.
    TenantPaused,
    /// The engine could not go on with the reminder: it waits for an operator.
    SetAside,
}

impl StopReason {
    /// Every reason.
    pub const ALL: [StopReason; 7] = [
        StopReason::Paid,
        StopReason::Cancelled,
        StopReason::OptedOut,
        StopReason::CampaignPaused,
        StopReason::CampaignArchived,
        StopReason::TenantPaused,
        StopReason::SetAside,
    ];

    /// Returns the name used in the database, the API and `why` records.
    pub const fn as_str(self) -> &'static str {
        match self {
            StopReason::Paid => "paid",
            StopReason::Cancelled => "cancelled",
            StopReason::OptedOut => "opted_out",
            StopReason::CampaignPaused => "campaign_paused",
            StopReason::CampaignArchived => "campaign_archived",
            StopReason::TenantPaused => "tenant_paused",
            StopReason::SetAside => "set_aside",
        }
    }
}
