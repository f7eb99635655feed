//! `formulation`: how the model was trained.

use candor_core::record::kinds::TrainingConfig;
use serde_json::{Value, json};

use super::{parts, properties};
use crate::facts::{datasets, digest_words, settings};
use crate::made::Made;
use crate::object::Object;
use crate::properties::{Properties, attachment_words};
use crate::reference::{attachment, is_reference};
use crate::release::Release;

/// One formula with one workflow, if the training config stands.
pub(super) fn formulas(release: &Release<'_>, made: &Made) -> Vec<Value> {
    let Some(config) = release.config else {
        return Vec::new();
    };
    let duration = config.duration.as_ref();
    let workflow = Object::new()
        .with("bom-ref", "training/workflow")
        .with("uid", "training")
        .with("name", "training")
        .with("taskTypes", json!(["build"]))
        .maybe("timeStart", duration.and_then(|it| it.started.as_deref()))
        .maybe("timeEnd", duration.and_then(|it| it.finished.as_deref()))
        .list("resourceReferences", resources(config, made))
        .list("inputs", inputs(release, config));
    let formula = Object::new()
        .with("bom-ref", "training")
        .list("components", device(config).into_iter().collect())
        .list("workflows", vec![workflow.into()]);
    vec![formula.into()]
}

/// The framework, the code and the configuration file.
fn resources(config: &TrainingConfig, made: &Made) -> Vec<Value> {
    let framework = config
        .framework
        .as_ref()
        .map(|_| json!({ "ref": parts::FRAMEWORK_REF }));
    let code = config.code.as_ref().filter(|code| is_reference(&code.uri));
    let code = code.map(|code| {
        let digest = code.digest.as_ref().map(digest_words);
        let reference = Object::new()
            .with("type", "vcs")
            .with("url", code.uri.as_str())
            .maybe("comment", digest);
        json!({ "externalReference": Value::from(reference) })
    });
    let sha256 = config.document.digest.sha256;
    let document = json!({ "externalReference": {
        "type": "configuration",
        "url": attachment(made.log.as_ref(), sha256),
        "comment": attachment_words(&config.document),
        "hashes": [{ "alg": "SHA-256", "content": sha256.to_string() }],
    }});
    framework
        .into_iter()
        .chain(code)
        .chain([document])
        .collect()
}

/// Data sets and hyperparameters.
fn inputs(release: &Release<'_>, config: &TrainingConfig) -> Vec<Value> {
    let data = 0..datasets(release).len();
    let data = data.map(|at| json!({ "resource": { "ref": parts::data_ref(at) } }));
    let parameters: Vec<_> = settings(&config.hyperparameters)
        .into_iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let parameters = (!parameters.is_empty()).then(|| json!({ "parameters": parameters }));
    data.chain(parameters).collect()
}

fn device(config: &TrainingConfig) -> Option<Value> {
    let hardware = config.hardware.as_ref()?;
    let mut extra = Properties::new();
    extra.maybe("training:accelerators", hardware.count);
    extra.maybe("training:nodes", hardware.nodes);
    let device = Object::new()
        .with("type", "device")
        .with("bom-ref", "training/hardware")
        .with("name", hardware.accelerator.as_deref()?)
        .maybe("description", hardware.note.as_deref())
        .list("properties", properties(extra.done()));
    Some(device.into())
}
