//! Digitable lines that banks, providers and their test suites have published, with what the
//! source says of them. They show that the import reads other people's boletos, old ones included.

/// One published line.
pub(super) struct PublishedLine {
    pub(super) line: &'static str,
    pub(super) amount_centavos: i64,
    /// The due date, `YYYY-MM-DD`.
    pub(super) due_on: &'static str,
}

const fn line(line: &'static str, amount_centavos: i64, due_on: &'static str) -> PublishedLine {
    PublishedLine {
        line,
        amount_centavos,
        due_on,
    }
}

/// Sources: documentation of Asaas and PagBank; a bank's manual kept by boleto-utils; the test
/// suites of BoletoNetCore, boleto-utils and openboleto.
pub(super) const PUBLISHED: &[PublishedLine] = &[
    line(
        "03399777792990000000004751101017181510000002990",
        2_990,
        "2020-01-31",
    ),
    line(
        "03399853012970000035869420601010782490000000100",
        100,
        "2020-05-08",
    ),
    line(
        "34191101213456788005871234570001616670000012345",
        12_345,
        "2026-12-21",
    ),
    line(
        "03399534655410007231078760701017115650000034353",
        34_353,
        "2026-09-10",
    ),
    line(
        "08490012019000000100919004774402892670000027413",
        27_413,
        "2023-02-20",
    ),
    line(
        "00190000090123456700447850002115184850000035000",
        35_000,
        "2020-12-30",
    ),
    line(
        "08591011074023156020800074601014487570000010500",
        10_500,
        "2021-09-28",
    ),
    line(
        "70790001182119344360908458010603899320000014150",
        14_150,
        "2024-12-16",
    ),
    line(
        "70790001182119344360908458010785299630000271112",
        271_112,
        "2025-01-16",
    ),
    line(
        "74891119270000800156205853051059481700000020000",
        20_000,
        "2020-02-19",
    ),
    line(
        "10492006506100010004200997263900989810000021403",
        21_403,
        "2022-05-10",
    ),
    line(
        "10491242151900010004015746029915198900000002000",
        2_000,
        "2024-11-04",
    ),
];
