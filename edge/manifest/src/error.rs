//! Why a manifest is refused.

/// One reason to refuse a manifest, as one sentence for whoever wrote it. Never contains a variable's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is not TOML, or a key is unknown, missing or of the wrong type.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, counted from 1; 0 when the parser did not say.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// Another reason, with the line where it stands.
    #[error("line {line}: {cause}")]
    At {
        /// The line, counted from 1.
        line: usize,
        /// The reason.
        cause: Box<Self>,
    },
    /// The manifest is of another version than 2.
    #[error("spin_manifest_version is {found}, and only 2 can be read")]
    Version {
        /// What the manifest says.
        found: String,
    },
    /// No component has the profile that was asked for.
    #[error("no component has the profile `{name}`")]
    ProfileUnknown {
        /// The profile.
        name: String,
    },
    /// A component's id is not kebab-case.
    #[error(
        "component id `{id}` is not kebab-case, starting with a letter and with each word in one case"
    )]
    ComponentId {
        /// The id.
        id: String,
    },
    /// A variable's name is not in lower snake case.
    #[error("variable name `{name}` of {owner} is not lower_snake_case")]
    VariableName {
        /// The name.
        name: String,
        /// Where it stands.
        owner: String,
    },
    /// A variable has neither a default nor `required = true`, or both.
    #[error("variable `{name}` needs exactly one of `default` and `required = true`")]
    VariableShape {
        /// The name.
        name: String,
    },
    /// A required variable has no value.
    #[error(
        "required variable `{name}` has no value: pass `--variable {name}=…` or set `{environment}`"
    )]
    VariableMissing {
        /// The name.
        name: String,
        /// The environment variable that would supply it.
        environment: String,
    },
    /// A value was given for a variable that the manifest does not declare.
    #[error("variable `{name}` was given but the manifest does not declare it")]
    VariableUndeclared {
        /// The name.
        name: String,
    },
    /// A template cannot be read.
    #[error("template in {owner}: {reason}")]
    Template {
        /// Where it stands.
        owner: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A template names a variable that does not exist.
    #[error("{owner} refers to `{{{{ {name} }}}}`, which [variables] does not declare")]
    TemplateUnknown {
        /// Where it stands.
        owner: String,
        /// The name.
        name: String,
    },
    /// A trigger other than http.
    #[error("trigger type `{kind}` is not supported, only `http` is")]
    TriggerKind {
        /// The type.
        kind: String,
    },
    /// There is nothing to serve.
    #[error("the manifest has no [[trigger.http]]")]
    NoTrigger,
    /// Our own table is not right.
    #[error("read [application.tool.vitrine]: {reason}")]
    Tool {
        /// What is wrong with it.
        reason: String,
    },
    /// `application.trigger.http.base` is set.
    #[error("application.trigger.http.base is `{base}`, and only `/` is supported")]
    Base {
        /// The base.
        base: String,
    },
    /// A trigger has neither or both of `component` and `static_response`.
    #[error("route `{route}` needs exactly one of `component` and `static_response`")]
    TriggerTarget {
        /// The route.
        route: String,
    },
    /// `route = { private = false }`.
    #[error("a route must be a path or `{{ private = true }}`")]
    RoutePrivacy,
    /// A route pattern cannot be read.
    #[error("route `{route}`: {reason}")]
    RoutePattern {
        /// The route.
        route: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A route below the reserved prefix.
    #[error("route `{route}` is below /.well-known/spin, which is reserved")]
    RouteReserved {
        /// The route.
        route: String,
    },
    /// A trigger names a component that does not exist.
    #[error("route `{route}` names component `{id}`, which does not exist")]
    ComponentUnknown {
        /// The route.
        route: String,
        /// The id.
        id: String,
    },
    /// A middleware component has grants of its own.
    #[error("component `{id}` is a middleware and may not declare `{key}`: it inherits")]
    MiddlewareGrant {
        /// The component.
        id: String,
        /// The key.
        key: &'static str,
    },
    /// A middleware on a static response.
    #[error("route `{route}` has a static response, which takes no middleware")]
    MiddlewareOnStatic {
        /// The route.
        route: String,
    },
    /// A component is a middleware before itself.
    #[error("route `{route}`: component `{id}` cannot be a middleware before itself")]
    MiddlewareSelf {
        /// The route.
        route: String,
        /// The component.
        id: String,
    },
    /// A middleware that names neither or both of a component and a file.
    #[error("a middleware needs exactly one of `component` and `path`")]
    MiddlewareSource,
    /// A middleware from somewhere that this node does not fetch from.
    #[error("a middleware by `{key}` is not supported by this node")]
    MiddlewareRemote {
        /// The key.
        key: &'static str,
    },
    /// Two triggers have the same id.
    #[error("trigger id `{id}` is used twice")]
    TriggerId {
        /// The id.
        id: String,
    },
    /// A trigger asks for something that Spin has and this node does not.
    #[error("route `{route}`: `{key}` is not supported by this node")]
    TriggerUnsupported {
        /// The route.
        route: String,
        /// The key.
        key: &'static str,
    },
    /// An unknown name in `inherit_configuration = [..]`.
    #[error("`{name}` cannot be inherited by a middleware")]
    InheritName {
        /// The name.
        name: String,
    },
    /// A static response that HTTP does not allow.
    #[error("static response of route `{route}`: {reason}")]
    StaticResponse {
        /// The route.
        route: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// An entry of `files` or `exclude_files` that cannot be meant.
    #[error("{key} of component `{id}`: `{entry}` {reason}")]
    Files {
        /// The component.
        id: String,
        /// `files` or `exclude_files`.
        key: &'static str,
        /// The entry as written.
        entry: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A store or database label is neither in kebab case nor in snake case.
    #[error("label `{label}` of component `{id}` is neither kebab-case nor snake_case")]
    Label {
        /// The component.
        id: String,
        /// The label.
        label: String,
    },
    /// An allowed host cannot be read.
    #[error("allowed_outbound_hosts of component `{id}`: {reason}")]
    AllowedHost {
        /// The component.
        id: String,
        /// What is wrong. Holds the entry as written, before templates.
        reason: String,
    },
    /// Something that Spin has and this node does not.
    #[error("component `{id}`: `{key}` is not supported by this node")]
    Unsupported {
        /// The component.
        id: String,
        /// The key.
        key: &'static str,
    },
}
