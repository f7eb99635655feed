//! JSON values read into types: objects into structs, and nothing else into those.
//!
//! serde by itself reads an array into a struct too, its items as the fields in the order in which the type has them. Then a
//! document has a second form that no other reader knows, and in which no field has its name.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, Expected, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

/// Reads a value as a `T`.
///
/// Enums that are internally tagged, untagged or flattened keep what they hold aside and read it without this: they need a
/// reader of their own.
pub fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Json(value))
}

/// A value, whose structs are objects at every depth.
struct Json(Value);

type Members = MapDeserializer<'static, Box<dyn Iterator<Item = (String, Json)>>, Error>;

fn members(object: Map<String, Value>) -> Members {
    let members = object.into_iter().map(|(name, value)| (name, Json(value)));
    MapDeserializer::new(Box::new(members))
}

impl IntoDeserializer<'_, Error> for Json {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Json));
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Object(object) => {
                let mut members = members(object);
                let value = visitor.visit_map(&mut members)?;
                members.end()?;
                Ok(value)
            }
            single => single.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.0.is_array() {
            let expected: &dyn Expected = &visitor;
            let words = format!("an array stands where an object should, for {expected}");
            return Err(Error::custom(words));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() {
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
        match self.0 {
            Value::Object(object) if object.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(members(object)))
            }
            other => other.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

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

    #[test]
    fn objects_become_what_serde_makes_of_them() {
        let inner = json!({ "text": "a", "more": [1] });
        for value in [
            json!({ "number": 1 }),
            json!({ "number": 1.5, "inner": null, "choice": "nothing" }),
            json!({ "number": -1, "inner": inner, "list": [inner, inner], "by_name": { "x": inner } }),
            json!({ "number": 1, "choice": { "something": inner }, "pair": [7, "x"] }),
            json!({ "number": 1, "anything": [{ "a": [null, true, 1.5, "x"] }] }),
        ] {
            let serde: Outer = serde_json::from_value(value.clone()).expect("an object");
            assert_eq!(from_json::<Outer>(value).expect("an object"), serde);
        }
        for value in [
            json!({ "number": "1" }),
            json!({ "number": 1, "x": 1 }),
            json!({ "inner": null }),
            json!({ "number": 1, "list": inner }),
            json!({ "number": 1, "choice": "anything" }),
            json!({ "number": 1, "choice": { "something": inner, "nothing": null } }),
            json!(1),
        ] {
            let serde = serde_json::from_value::<Outer>(value.clone()).expect_err("another form");
            let said = from_json::<Outer>(value).expect_err("another form");
            assert_eq!(said.to_string(), serde.to_string());
        }
        // In other words.
        let long = json!({ "number": 1, "pair": [7, "x", 1] });
        from_json::<Outer>(long).expect_err("an item more");
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        let array = json!(["a"]);
        for value in [
            json!([1, null, [], {}, null, [7, "x"], null]),
            json!({ "number": 1, "inner": array }),
            json!({ "number": 1, "list": [array] }),
            json!({ "number": 1, "by_name": { "x": array } }),
            json!({ "number": 1, "choice": { "something": array } }),
        ] {
            serde_json::from_value::<Outer>(value.clone()).expect("serde takes it");
            let said = from_json::<Outer>(value).expect_err("an array");
            let said = said.to_string();
            assert!(
                said.starts_with("an array stands where an object should, for struct "),
                "{said}"
            );
        }
    }
}
