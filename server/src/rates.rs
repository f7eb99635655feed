//! How often strangers may do what costs: token buckets, by address and by publisher.
//!
//! ```text
//! address ──► asks the database      ──► reads_per_address
//!         └─► sends a record         ──► records_per_address      before its signatures are checked
//! publisher ─► has a record accepted ──► records_per_publisher    behind that: nobody uses up another's
//! ```
//!
//! A bucket holds what may be done in a minute, and fills at that rate. What is allowed and what is left goes into the
//! headers `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), so that programs slow down
//! before they are refused.
//!
//! Tiles, checkpoints and attachments are free: they are what makes a log worth having, and can be cached.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZero;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use candor_core::record::PublisherName;
use governor::clock::{Clock as _, QuantaClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{InsufficientCapacity, Quota, RateLimiter};

/// How long a bucket takes to fill.
const WINDOW: Duration = Duration::from_mins(1);

/// How often what has filled up again is forgotten.
pub const FORGET_PAUSE: Duration = Duration::from_secs(10);

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What may be done in a minute. What is not limited is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateSettings {
    /// Requests that ask the database, from one address.
    pub reads_per_address: Option<NonZero<u32>>,
    /// Records that are sent from one address.
    pub records_per_address: Option<NonZero<u32>>,
    /// Records that are accepted from one publisher.
    pub records_per_publisher: Option<NonZero<u32>>,
}

/// The buckets.
pub struct Rates {
    /// See [`RateSettings::reads_per_address`].
    pub reads_per_address: Rate<Client>,
    /// See [`RateSettings::records_per_address`].
    pub records_per_address: Rate<Client>,
    /// See [`RateSettings::records_per_publisher`].
    pub records_per_publisher: Rate<PublisherName>,
}

/// Where a request comes from: an address, or the 64 bits of one of IPv6 that a customer is given at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

/// One bucket for each key, if there is a limit.
pub struct Rate<K: Hash + Eq + Clone> {
    name: &'static str,
    limit: Option<(NonZero<u32>, Limiter<K>)>,
}

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, QuantaClock, StateInformationMiddleware>;

/// What is allowed, and what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    name: &'static str,
    quota: NonZero<u32>,
    left: u32,
    /// Until some of it is there again.
    wait: Duration,
}

/// Too much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is limited to {} a minute, and there is no room for {wanted} now", allowance.name, allowance.quota)]
pub struct TooMany {
    /// How many were wanted.
    pub wanted: u32,
    /// What is allowed.
    pub allowance: Allowance,
}

impl Client {
    /// The client at `address`.
    pub fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << 64);
                Self(Ipv6Addr::from_bits(network).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

impl Rates {
    /// With all buckets full.
    pub fn new(settings: &RateSettings) -> Self {
        Self {
            reads_per_address: Rate::new("reads-per-address", settings.reads_per_address),
            records_per_address: Rate::new("records-per-address", settings.records_per_address),
            records_per_publisher: Rate::new(
                "records-per-publisher",
                settings.records_per_publisher,
            ),
        }
    }

    /// Forgets the buckets that are full, so that those who came once take no memory for good.
    pub fn forget(&self) {
        self.reads_per_address.forget();
        self.records_per_address.forget();
        self.records_per_publisher.forget();
    }
}

impl<K: Hash + Eq + Clone> Rate<K> {
    fn new(name: &'static str, per_minute: Option<NonZero<u32>>) -> Self {
        let limit = per_minute.map(|per_minute| {
            let limiter = RateLimiter::dashmap_with_clock(
                Quota::per_minute(per_minute),
                QuantaClock::default(),
            );
            (per_minute, limiter.with_middleware())
        });
        Self { name, limit }
    }

    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// Takes `wanted` out of the bucket of `key`, or nothing if there is less in it. `None` where there is no limit.
    pub fn take(&self, key: &K, wanted: u32) -> Result<Option<Allowance>, TooMany> {
        let (Some((quota, limiter)), Some(count)) = (&self.limit, NonZero::new(wanted)) else {
            return Ok(None);
        };
        let allowance = |left, wait| Allowance {
            name: self.name,
            quota: *quota,
            left,
            wait,
        };
        let too_many = |wait| TooMany {
            wanted,
            allowance: allowance(0, wait),
        };
        match limiter.check_key_n(key, count) {
            Ok(Ok(state)) => {
                let left = state.remaining_burst_capacity();
                Ok(Some(allowance(left, WINDOW / quota.get())))
            }
            Ok(Err(until)) => Err(too_many(until.wait_time_from(QuantaClock::default().now()))),
            // More than the bucket ever holds.
            Err(InsufficientCapacity(_)) => Err(too_many(WINDOW)),
        }
    }

    fn forget(&self) {
        if let Some((_, limiter)) = &self.limit {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

impl Allowance {
    /// Whether both are of one bucket.
    pub fn is_of_same_bucket(&self, other: &Self) -> bool {
        self.name == other.name
    }

    /// Seconds until it is of use to ask again, rounded up.
    pub fn wait_seconds(&self) -> u64 {
        self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0)
    }

    /// Says it in the headers of an answer.
    pub fn write(&self, headers: &mut HeaderMap) {
        let Self { name, quota, .. } = self;
        let window = WINDOW.as_secs();
        let policy = format!("\"{name}\";q={quota};w={window}");
        let left = format!("\"{name}\";r={};t={}", self.left, self.wait_seconds());
        for (header, text) in [(POLICY, policy), (LEFT, left)] {
            let value = HeaderValue::try_from(text).expect("names and numbers");
            headers.append(header, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(records_per_address: u32) -> Rates {
        Rates::new(&RateSettings {
            records_per_address: NonZero::new(records_per_address),
            ..RateSettings::default()
        })
    }

    fn client(text: &str) -> Client {
        Client::at(text.parse().expect("an address"))
    }

    #[test]
    fn a_bucket_gives_what_it_has_and_each_client_has_one() {
        let rates = rates(300);
        let (one, other) = (client("192.0.2.1"), client("192.0.2.2"));
        let allowance = rates.records_per_address.take(&one, 256);
        let allowance = allowance.expect("it is full").expect("there is a limit");
        assert_eq!((allowance.quota.get(), allowance.left), (300, 44));
        let refused = rates.records_per_address.take(&one, 256);
        let refused = refused.expect_err("44 are left");
        // 212 are missing, at 5 a second.
        assert!(
            (40..=43).contains(&refused.allowance.wait_seconds()),
            "{refused:?}"
        );
        let left = rates.records_per_address.take(&one, 44);
        assert!(left.expect("nothing was taken").is_some());
        assert!(rates.records_per_address.take(&other, 256).is_ok());
        let never = rates.records_per_address.take(&other, 301);
        assert_eq!(
            never
                .expect_err("more than it holds")
                .allowance
                .wait_seconds(),
            60
        );
        assert_eq!(rates.reads_per_address.take(&one, 1), Ok(None));
        rates.forget();
        assert!(
            rates.records_per_address.take(&one, 44).is_err(),
            "it is not full yet"
        );
    }

    #[test]
    fn a_client_of_ipv6_is_its_network() {
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }

    #[test]
    fn headers_say_what_is_left() {
        let mut headers = HeaderMap::new();
        let allowance = rates(300).records_per_address.take(&client("192.0.2.1"), 1);
        allowance
            .expect("it is full")
            .expect("a limit")
            .write(&mut headers);
        assert_eq!(
            headers["ratelimit-policy"],
            "\"records-per-address\";q=300;w=60"
        );
        assert_eq!(headers["ratelimit"], "\"records-per-address\";r=299;t=1");
    }
}
