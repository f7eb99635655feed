//! JSON values read into types: objects into structs, text into words, and nothing else into those.
//!
//! serde by itself reads an array into a struct too, its items as the fields in the order in which the type has them. Then a
//! document has a second form that no other reader knows, and in which no field has its name.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected,
    IntoDeserializer, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Reads a value as a `T`.
///
/// Enums that are internally tagged, untagged or flattened keep what they hold aside and read it without this: they need a
/// reader of their own.
pub fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Json::Owned(value))
}

/// The same of a value that stays.
pub(super) fn from_json_at<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(Json::Borrowed(value))
}

/// A value, whose structs are objects at every depth, and whose words are text.
enum Json<'a> {
    Owned(Value),
    Borrowed(&'a Value),
}

impl Json<'_> {
    fn value(&self) -> &Value {
        match self {
            Self::Owned(value) => value,
            Self::Borrowed(value) => value,
        }
    }
}

fn visit_items<'de, V: Visitor<'de>>(
    items: impl Iterator<Item = Json<'de>>,
    visitor: V,
) -> Result<V::Value, Error> {
    let mut items = SeqDeserializer::new(items);
    let value = visitor.visit_seq(&mut items)?;
    items.end()?;
    Ok(value)
}

fn visit_members<'de, N: IntoDeserializer<'de, Error>, V: Visitor<'de>>(
    members: impl Iterator<Item = (N, Json<'de>)>,
    visitor: V,
) -> Result<V::Value, Error> {
    let mut members = MapDeserializer::new(members);
    let value = visitor.visit_map(&mut members)?;
    members.end()?;
    Ok(value)
}

impl<'de> IntoDeserializer<'de, Error> for Json<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Json<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Owned(Value::Array(items)) => {
                visit_items(items.into_iter().map(Json::Owned), visitor)
            }
            Self::Borrowed(Value::Array(items)) => {
                visit_items(items.iter().map(Json::Borrowed), visitor)
            }
            Self::Owned(Value::Object(object)) => {
                let members = object.into_iter();
                visit_members(members.map(|(name, it)| (name, Json::Owned(it))), visitor)
            }
            Self::Borrowed(Value::Object(object)) => {
                let members = object.iter();
                let members = members.map(|(name, it)| (name.as_str(), Json::Borrowed(it)));
                visit_members(members, visitor)
            }
            Self::Owned(single) => single.deserialize_any(visitor),
            Self::Borrowed(single) => single.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.value().is_array() {
            let expected: &dyn Expected = &visitor;
            let words = format!("an array stands where an object should, for {expected}");
            return Err(Error::custom(words));
        }
        self.deserialize_any(visitor)
    }

    /// A [`serde_json::Map`] takes null for an empty one where it is asked to take anything.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Owned(Value::Object(_)) | Self::Borrowed(Value::Object(_)) => {
                self.deserialize_any(visitor)
            }
            Self::Owned(other) => other.deserialize_map(visitor),
            Self::Borrowed(other) => other.deserialize_map(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value().is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Owned(Value::Object(object)) if object.len() == 1 => {
                let members = object.into_iter();
                let mut members = members.map(|(name, it)| (name, Json::Owned(it)));
                visitor.visit_enum(Choice::of(members.next()))
            }
            Self::Borrowed(Value::Object(object)) if object.len() == 1 => {
                let members = object.iter();
                let mut members = members.map(|(name, it)| (name.clone(), Json::Borrowed(it)));
                visitor.visit_enum(Choice::of(members.next()))
            }
            Self::Owned(other) => other.deserialize_enum(name, variants, visitor),
            Self::Borrowed(other) => other.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

/// One of an enum's variants and what it holds, as an object of one member. A word alone is text: serde by itself reads
/// `{"word": null}` as that word too.
struct Choice<'a> {
    variant: String,
    held: Json<'a>,
}

impl<'a> Choice<'a> {
    fn of(member: Option<(String, Json<'a>)>) -> Self {
        let (variant, held) = member.expect("the object has one member");
        Self { variant, held }
    }
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Error;
    type Variant = Held<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Held<'de>), Error> {
        let variant = seed.deserialize(self.variant.into_deserializer())?;
        Ok((variant, Held(self.held)))
    }
}

/// What a variant holds.
struct Held<'a>(Json<'a>);

impl<'de> VariantAccess<'de> for Held<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Err(Error::custom("an object stands where a word should"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{Map, json};

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        number: f64,
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        by_name: BTreeMap<String, Inner>,
        choice: Option<Choice>,
        #[serde(default)]
        pair: (u8, String),
        #[serde(default)]
        anything: Value,
        #[serde(default)]
        free: Map<String, Value>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        text: Text,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Text(String);

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Choice {
        Nothing,
        Something(Inner),
    }

    /// What it is read as, owned or not.
    fn read(value: &Value) -> Result<Outer, String> {
        let owned = from_json::<Outer>(value.clone()).map_err(|e| e.to_string());
        let at_its_place = from_json_at::<Outer>(value).map_err(|e| e.to_string());
        assert_eq!(owned, at_its_place);
        owned
    }

    #[test]
    fn objects_become_what_serde_makes_of_them() {
        let inner = json!({ "text": "a", "more": [1] });
        for value in [
            json!({ "number": 1 }),
            json!({ "number": 1.5, "inner": null, "choice": "nothing" }),
            json!({ "number": -1, "inner": inner, "list": [inner, inner], "by_name": { "x": inner } }),
            json!({ "number": 1, "choice": { "something": inner }, "pair": [7, "x"] }),
            json!({ "number": 1, "anything": [{ "a": [null, true, 1.5, "x"] }] }),
            json!({ "number": 1, "free": { "a": null } }),
        ] {
            let serde: Outer = serde_json::from_value(value.clone()).expect("an object");
            assert_eq!(read(&value), Ok(serde));
        }
        for value in [
            json!({ "number": "1" }),
            json!({ "number": 1, "x": 1 }),
            json!({ "inner": null }),
            json!({ "number": 1, "list": inner }),
            json!({ "number": 1, "free": null }),
            json!({ "number": 1, "free": [] }),
            json!({ "number": 1, "choice": "anything" }),
            json!({ "number": 1, "choice": { "something": inner, "nothing": null } }),
            json!(1),
        ] {
            let serde = serde_json::from_value::<Outer>(value.clone()).expect_err("another form");
            assert_eq!(read(&value), Err(serde.to_string()));
        }
        // In other words.
        let long = json!({ "number": 1, "pair": [7, "x", 1] });
        read(&long).expect_err("an item more");
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        let array = json!(["a"]);
        for value in [
            json!([1, null, [], {}, null, [7, "x"], null, {}]),
            json!({ "number": 1, "inner": array }),
            json!({ "number": 1, "list": [array] }),
            json!({ "number": 1, "by_name": { "x": array } }),
            json!({ "number": 1, "choice": { "something": array } }),
        ] {
            serde_json::from_value::<Outer>(value.clone()).expect("serde takes it");
            let said = read(&value).expect_err("an array");
            assert!(
                said.starts_with("an array stands where an object should, for struct "),
                "{said}"
            );
        }
    }

    #[test]
    fn an_object_is_no_word() {
        let value = json!({ "number": 1, "choice": { "nothing": null } });
        serde_json::from_value::<Outer>(value.clone()).expect("serde takes it");
        let said = read(&value).expect_err("an object");
        assert_eq!(said, "an object stands where a word should");
    }
}
