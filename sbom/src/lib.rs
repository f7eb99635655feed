//! A release's verified records as a bill of materials: `CycloneDX` 1.6 and 1.7 (ML-BOM), and SPDX 3.0.1 with its AI profile.
//!
//! ```text
//!                                            ┌─► cyclonedx(&release, version, &made) ─► JSON
//! Verified<VerifiedBundle> ──► Release::of ──┤
//!   records, manifest              Made      └─► spdx(&release, &made) ───────────────► JSON-LD
//!                                   time, and what the bundle can't know: addresses, when it came out
//! ```
//!
//! | the records say | `CycloneDX` | SPDX |
//! | --- | --- | --- |
//! | name, version, publisher | `metadata.component`, `supplier` | `ai_AIPackage`, `suppliedBy` |
//! | licence | `licenses`, declared | `hasDeclaredLicense` |
//! | files and digests | `components` of type file | `software_File`, `contains` |
//! | task, data, the card's values | `modelCard` | `ai_domain`, `trainedOn`, `testedOn`, `ai_metric` |
//! | evaluations by whom | `declarations`; in 1.7 `modelCard` and `citations` | the keys of `ai_metric`, `hasEvidence` |
//! | use, limits | `considerations` | `ai_informationAboutApplication`, `ai_limitation` |
//! | training | `formulation` | `ai_hyperparameter`, `ai_informationAboutTraining` |
//! | parents | `pedigree.ancestors` | `descendantOf` |
//! | withdrawn, itself or a parent | `advisories`, `candor:…withdrawn` | `Annotation`, `candor:…withdrawn` |
//! | its place in the log | `externalReferences` | `externalRef` |
//!
//! What neither has a field for is a property `candor:…`, by the same names in both ([`properties`](self#properties)).
//!
//! Always:
//!
//! - Nothing is said that the records do not say. What is absent there is absent here; SPDX has `NOASSERTION` where it asks
//!   for something. A document claims a profile only if it has all that the profile asks for: `ai` asks for the time of the
//!   release, which no record has, so it is claimed only where the caller knows that time ([`Made::released`]).
//! - The same arguments give the same document. Time is an argument. The serial number is one, too, or is derived from the
//!   log's origin, the checkpoint's size and root, index and statement digest of each record, the time, the format, and what
//!   else the caller knows ([`Uuid`]).
//! - What was withdrawn can be seen, if the bundle shows it. A release that was withdrawn, or whose weights or card were, is
//!   written in full and marked; of another record that was withdrawn only that is said, and none of its documents is named.
//!   A parent that was withdrawn is marked, and the model says which of its ancestors were. A bundle that its maker left a
//!   withdrawal out of, or the records of a parent, is as good as any other, so that the document says nothing of it.
//! - A value that others measured never stands as the publisher's own. `CycloneDX` 1.6 can't say whose a value of the model
//!   card is: there it is in `candor:metric` alone.
//! - Text of publishers is data: it is not read as markup, and is an address only if it has the form of one.
//! - Up to [`FILES_LISTED_MAX`] files are listed; of more there is the manifest's digest, and a property says so. So a document
//!   takes time and memory that grow with the records and never beyond that bound.
//!
//! # Properties
//!
//! - `candor:release`, `candor:publisher`, `candor:publisher:key`: names, and the IDs of the keys that signed.
//! - `candor:log:origin`, `candor:log:size`, `candor:log:root`: the checkpoint that all was proven against. What the log
//!   took in later, a withdrawal too, is not in the document; nor is what whoever made the bundle left out of it.
//! - `candor:withdrawn`: `true`, if the release does not stand; with `:by`, `:reason`, `:explanation`, `:replacement`.
//! - `candor:withdrawn:record`: another record that was withdrawn, and why.
//! - `candor:withdrawn:ancestor`: a parent that was withdrawn, or one further up, and why. A parent has `candor:parent:withdrawn`
//!   itself, with the same names below as `candor:withdrawn`.
//! - `candor:weights:…`: what the weights record says. `candor:weights:strength` is `weak` where only MD5 or SHA-1 are
//!   there: a file with the right digest may then have been made to have it.
//! - `candor:files:not-listed`: how many, and why.
//! - `candor:file:size`, `candor:file:strength`, `candor:digest:ALGORITHM`: of a file; the last for algorithms that the
//!   format has no name for.
//! - `candor:card:…`, `candor:training:…`, `candor:data:…`, `candor:parent:…`: what these records say beside the rest.
//! - `candor:metric`: one value with all that was said of it, as JSON.
//!
//! Not here: files, sockets, clocks; signatures over the document; API versions, which are services and no models; the
//! tensors one by one; whether the log has what parents are named as, which `candor export` checks first.

#![forbid(unsafe_code)]

mod ancestors;
mod cyclonedx;
mod facts;
mod identity;
mod license;
mod made;
mod object;
mod properties;
mod reference;
mod release;
mod spdx_document;

pub use ancestors::WithdrawnAncestor;
pub use cyclonedx::{CycloneDxVersion, cyclonedx};
pub use identity::{NotUuid, Uuid};
pub use made::{BundleFile, Made, NotTime, Time};
pub use reference::{LogUrl, NotLogUrl};
pub use release::{NoModel, Release};
pub use spdx_document::spdx;

/// The most files that a document lists one by one.
///
/// `CycloneDX` has no component twice, which common validators check pair by pair: ten times as many files take them a hundred
/// times as long. And a release of the most files that there may be, 200,000, would be a document of 100 MB.
pub const FILES_LISTED_MAX: usize = 10_000;
