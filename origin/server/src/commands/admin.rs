//! `admin`: who of the staff may do what. The first owner is made here, and every key.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use app::{Clock, NewStaffKey};
use domain::staff::Role;
use domain::{Email, Timestamp};
use store::{Granting, Store};

use super::open_store;
use crate::cli::{Admin, AdminCommand, AdminKey, CreateKey, Member};

pub(crate) async fn run(options: Admin) -> anyhow::Result<()> {
    let store = open_store(&options.database).await?;
    match options.command {
        AdminCommand::Key { command: AdminKey::Create(create) } => create_key(&store, create).await,
        AdminCommand::Key { command: AdminKey::List } => list_keys(&store).await,
        AdminCommand::Key { command: AdminKey::Revoke { id } } => revoke_key(&store, &id).await,
        AdminCommand::Grant(member) => grant(&store, &member).await,
        AdminCommand::Revoke(member) => revoke(&store, &member).await,
        AdminCommand::List => list_members(&store).await,
    }
}

#[expect(clippy::print_stdout, reason = "the result of a command")]
async fn create_key(store: &Store, options: CreateKey) -> anyhow::Result<()> {
    let is_good =
        (1..=100).contains(&options.name.len()) && !options.name.contains(char::is_control);
    ensure!(is_good, "a key's name has 1 to 100 bytes and no control characters");
    let mut roles: Vec<Role> =
        options.role.iter().map(|role| read_role(role)).collect::<Result<_, _>>()?;
    roles.sort_unstable();
    roles.dedup();
    let now = Clock::default().now();
    let life = options.days.map(|days| Duration::from_hours(u64::from(days) * 24));
    let made = NewStaffKey::make(options.name, roles, life.map(|life| now.after(life)), now)
        .context("make a key")?;
    if !store.create_staff_key(made.key.clone()).await.context("keep the key")? {
        bail!("there are {} keys already", store::STAFF_KEYS_MAX);
    }
    println!("key {}", made.key.id);
    println!("{}", made.text);
    tracing::info!(staff_key.id = %made.key.id, "made a key; it is shown once");
    Ok(())
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.to_string())
}

fn words(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

#[expect(clippy::print_stdout, reason = "the result of a command")]
async fn list_keys(store: &Store) -> anyhow::Result<()> {
    println!("id\troles\tcreated\texpires\trevoked\tlast used\tname");
    for key in store.staff_keys().await.context("read the keys")? {
        println!(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}",
            key.id,
            words(&key.roles),
            key.created_at,
            moment(key.expires_at),
            moment(key.revoked_at),
            moment(key.last_used_at),
            key.name
        );
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a command")]
async fn revoke_key(store: &Store, id: &str) -> anyhow::Result<()> {
    let id = id.parse().context("read the key's id, as `admin key list` shows it")?;
    if !store.revoke_staff_key(id, Clock::default().now()).await.context("revoke the key")? {
        bail!("there is no key {id} that could be revoked");
    }
    println!("revoked {id}");
    Ok(())
}

fn read_role(text: &str) -> anyhow::Result<Role> {
    let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
    text.parse().with_context(|| format!("read role {text}: there are {}", known.join(", ")))
}

fn read_email(text: &str) -> anyhow::Result<Email> {
    text.parse().with_context(|| format!("read address {text}"))
}

#[expect(clippy::print_stdout, reason = "the result of a command")]
async fn grant(store: &Store, member: &Member) -> anyhow::Result<()> {
    let Some(role) = &member.role else { bail!("name a role: --role ROLE") };
    let (email, role) = (read_email(&member.email)?, read_role(role)?);
    let now = Clock::default().now();
    match store.grant_role(email.clone(), role, now).await.context("give the role")? {
        Granting::Done => println!("{email} is {role} now"),
        Granting::AsBefore => println!("{email} was {role} before"),
        Granting::NoAccount => bail!("{email} has no account: register it in the shop first"),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a command")]
async fn revoke(store: &Store, member: &Member) -> anyhow::Result<()> {
    let email = read_email(&member.email)?;
    let role = member.role.as_deref().map(read_role).transpose()?;
    match store.revoke_role(email.clone(), role).await.context("take the role")? {
        Granting::Done => println!("taken from {email}"),
        Granting::AsBefore => println!("{email} had none"),
        Granting::NoAccount => bail!("{email} has no account"),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a command")]
async fn list_members(store: &Store) -> anyhow::Result<()> {
    println!("account\temail\troles");
    for member in store.staff_members().await.context("read the staff")? {
        println!("{}\t{}\t{}", member.user, member.email, words(&member.roles));
    }
    Ok(())
}
