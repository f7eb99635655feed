//! A key in a token behind PKCS#11 (OASIS, version 3.0): a hardware security module, a smart card, `SoftHSM`.

use std::path::Path;

use anyhow::{Context as _, bail};
use candor_signer::Key;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use ed25519_dalek::VerifyingKey;

/// What stands before the 32 bytes of a public key in `CKA_EC_POINT`: a DER octet string.
const OCTET_STRING_OF_32: [u8; 2] = [0x04, 0x20];

/// A key in a token, with a session in which it can be used.
pub(crate) struct TokenKey {
    module: Pkcs11,
    token: String,
    label: String,
    pin: AuthPin,
    session: Session,
    key: ObjectHandle,
}

impl TokenKey {
    /// Logs in to the token that is labelled `token`, and finds the key pair that is labelled `label`.
    pub(crate) fn open(
        module: &Path,
        token: &str,
        label: &str,
        pin: AuthPin,
    ) -> anyhow::Result<(Self, VerifyingKey)> {
        let module = Pkcs11::new(module).with_context(|| module.display().to_string())?;
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
        let session = log_in(&module, token, &pin)?;
        let key = find(&session, ObjectClass::PRIVATE_KEY, label)?;
        let verifying_key = verifying_key(&session, label)?;
        let key = Self {
            module,
            token: token.to_owned(),
            label: label.to_owned(),
            pin,
            session,
            key,
        };
        Ok((key, verifying_key))
    }

    fn try_sign(&self, bytes: &[u8]) -> cryptoki::error::Result<Vec<u8>> {
        let pure = EddsaParams::new(EddsaSignatureScheme::Ed25519);
        self.session.sign(&Mechanism::Eddsa(pure), self.key, bytes)
    }

    /// A token that was pulled out, or restarted, has forgotten the session.
    fn open_again(&mut self) -> anyhow::Result<()> {
        self.session = log_in(&self.module, &self.token, &self.pin)?;
        self.key = find(&self.session, ObjectClass::PRIVATE_KEY, &self.label)?;
        Ok(())
    }
}

impl Key for TokenKey {
    fn sign(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.try_sign(bytes).or_else(|first| {
            let again = self.open_again();
            again.map_err(|error| format!("the token does not sign: {first}; {error:#}"))?;
            self.try_sign(bytes)
                .map_err(|error| format!("the token does not sign: {error}"))
        })
    }
}

fn log_in(module: &Pkcs11, token: &str, pin: &AuthPin) -> anyhow::Result<Session> {
    let slots = module.get_slots_with_token()?;
    let mut found = Vec::new();
    for slot in slots {
        let info = module.get_token_info(slot)?;
        if info.label() == token {
            found.push(slot);
        }
    }
    let [slot] = found.as_slice() else {
        bail!(
            "{} tokens are labelled {token:?}, and one should be",
            found.len()
        );
    };
    let session = module.open_ro_session(*slot)?;
    match session.login(UserType::User, Some(pin)) {
        Ok(())
        | Err(cryptoki::error::Error::Pkcs11(cryptoki::error::RvError::UserAlreadyLoggedIn, _)) => {
            Ok(session)
        }
        Err(error) => Err(error).with_context(|| format!("the token {token:?} takes no login")),
    }
}

fn find(session: &Session, class: ObjectClass, label: &str) -> anyhow::Result<ObjectHandle> {
    let found = session.find_objects(&[
        Attribute::Class(class),
        Attribute::KeyType(KeyType::EC_EDWARDS),
        Attribute::Label(label.as_bytes().to_vec()),
    ])?;
    match found.as_slice() {
        [key] => Ok(*key),
        found => bail!(
            "the token has {} Edwards keys ({class}) labelled {label:?}, and one should be there",
            found.len()
        ),
    }
}

fn verifying_key(session: &Session, label: &str) -> anyhow::Result<VerifyingKey> {
    let key = find(session, ObjectClass::PUBLIC_KEY, label)?;
    let attributes = session.get_attributes(key, &[AttributeType::EcPoint])?;
    let Some(Attribute::EcPoint(point)) = attributes.into_iter().next() else {
        bail!("the token does not show the public key labelled {label:?}");
    };
    // Tokens of before version 3.0 give the bytes alone.
    let point = point.strip_prefix(&OCTET_STRING_OF_32).unwrap_or(&point);
    let point = point.try_into().ok().context("the key is not 32 bytes")?;
    VerifyingKey::from_bytes(point).context("the token's public key is no Ed25519 key")
}
