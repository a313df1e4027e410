//! The PostgreSQL cluster of `up --postgres`: a primary, and two standbys of which one has every commit on its disk.
//!
//! Our supervisor runs the servers; what is done between the start of one and the next is done here, also over what an
//! earlier start left. Nobody promotes a standby but the person who tries that out: the supervisor brings a primary back
//! within a second or two, unless another was promoted, which it then copies and follows.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use pgcluster::{Cluster, Durability, Place, Programs, Server};

use super::data::DataDir;
use super::shop::DatabaseUrls;
use super::supervisor::{Mend, Spec, Supervisor};
use crate::Context;
use crate::tools;

/// The database of the shop.
const DATABASE: &str = "shop";
const ROLES: [&str; 3] = ["postgres-one", "postgres-two", "postgres-three"];
/// Longest start, with the recovery of what a killed server left.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a standby that was there before may take to follow; then it is copied anew.
const FOLLOW_LIMIT: Duration = Duration::from_secs(15);

/// The servers, which may not be made yet.
#[derive(Debug)]
pub(crate) struct Databases {
    programs: Programs,
    places: [Place; 3],
    root: PathBuf,
}

impl Databases {
    /// Finds PostgreSQL or installs it. Makes and starts nothing.
    pub(crate) fn find(context: &Context, data: &DataDir, ports: [u16; 3]) -> Result<Self> {
        let programs = tools::postgres(context, "`up --postgres` needs PostgreSQL")?;
        let places = Cluster::places(&data.path().join("postgres"), ports);
        Ok(Self { programs, places, root: context.workspace.root().to_path_buf() })
    }

    pub(crate) fn urls(&self) -> DatabaseUrls {
        let [one, two, three] = &self.places;
        DatabaseUrls { primary: url(&[one, two, three]), standby: url(&[two, three, one]) }
    }

    /// Starts the three, makes the standbys follow, lets every commit wait for one of them, and makes the database.
    pub(crate) fn start(&self, context: &Context, supervisor: &mut Supervisor<'_>) -> Result<()> {
        let chosen = Cluster::primary_of(&self.places)?;
        let place = self.places[chosen].clone();
        let primary = if place.is_made() {
            Server::there(&self.programs, place)
        } else {
            let report = context.reporter.step("make a PostgreSQL cluster");
            let made = Server::init(&self.programs, place, Durability::Kept);
            report.ended(made.is_ok());
            made?
        };
        supervisor.start(self.spec(chosen, &primary), START_LIMIT, || primary.is_ready())?;
        for index in (0..self.places.len()).filter(|index| *index != chosen) {
            self.start_standby(context, supervisor, index, &primary)?;
        }
        let names: Vec<&str> = standbys(&self.places, primary.place());
        primary.demand_quorum(&names)?;
        let found = primary
            .ask(&format!("SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'"))?;
        if found == "0" {
            primary.ask(&format!("CREATE DATABASE {DATABASE}"))?;
        }
        Ok(())
    }

    fn start_standby(
        &self,
        context: &Context,
        supervisor: &mut Supervisor<'_>,
        index: usize,
        primary: &Server,
    ) -> Result<()> {
        let place = self.places[index].clone();
        let is_following =
            |standby: &Server| primary.has_standby(&standby.place().name) && standby.is_ready();
        let standby = Server::follow(&self.programs, place, primary.place())?;
        let first =
            supervisor.start(self.spec(index, &standby), FOLLOW_LIMIT, || is_following(&standby));
        let Err(error) = first else { return Ok(()) };
        if context.stop.is_requested() {
            return Err(error);
        }
        let role = ROLES[index];
        context.reporter.note(&format!("{role} cannot follow any more: it is copied anew"));
        supervisor.end(role)?;
        standby.copy(primary.place())?;
        supervisor.start(self.spec(index, &standby), START_LIMIT, || is_following(&standby))
    }

    fn spec(&self, index: usize, server: &Server) -> Spec {
        let (program, args) = server.argv();
        let (programs, places) = (self.programs.clone(), self.places.clone());
        Spec {
            role: ROLES[index],
            url: server.url(DATABASE),
            program,
            args,
            env: vec![("LC_ALL".to_owned(), "C".to_owned())],
            folder: self.root.clone(),
            mend: Some(Mend(Box::new(move || follow_the_promoted(&programs, &places, index)))),
        }
    }
}

/// Keeps a server that comes back from being a second primary: if another was promoted meanwhile, it is that one's
/// standby from now on, and so is the third. Where that one does not answer, it is an error, and tried again.
fn follow_the_promoted(
    programs: &Programs,
    places: &[Place; 3],
    index: usize,
) -> Result<Option<String>> {
    let own = places.get(index).context("find the server")?;
    let promoted = places
        .iter()
        .filter(|place| *place != own && place.is_made() && !place.is_standby())
        .filter(|place| own.is_standby() || place.timeline() > own.timeline())
        .max_by_key(|place| place.timeline());
    let Some(promoted) = promoted else { return Ok(None) };
    if own.is_standby() {
        Server::there(programs, own.clone()).set_primary(promoted)?;
        return Ok(None);
    }
    let primary = Server::there(programs, promoted.clone());
    if !primary.is_ready() {
        bail!("{} was promoted, and does not answer yet", promoted.name);
    }
    Server::follow(programs, own.clone(), promoted)?;
    for place in places.iter().filter(|place| *place != own && place.is_standby()) {
        let third = Server::there(programs, place.clone());
        third.set_primary(promoted)?;
        // If it does not run, it reads that when it is started.
        let _ = third.ask("SELECT pg_reload_conf()");
    }
    primary.demand_quorum(&standbys(places, promoted))?;
    Ok(Some(format!("copied from {}, which was promoted, and follows it", promoted.name)))
}

fn standbys<'a>(places: &'a [Place; 3], primary: &Place) -> Vec<&'a str> {
    places.iter().filter(|place| *place != primary).map(|place| place.name.as_str()).collect()
}

fn url(places: &[&Place]) -> String {
    let hosts: Vec<String> =
        places.iter().map(|place| format!("127.0.0.1:{}", place.port)).collect();
    format!("postgresql://{}@{}/{DATABASE}", pgcluster::USER, hosts.join(","))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pgcluster::{Cluster, Place, Programs};

    use super::{follow_the_promoted, url};

    /// Makes what tells servers apart that stand still.
    fn stopped_server(place: &Place, timeline: u32, is_standby: bool) {
        fs::create_dir_all(place.folder.join("pg_wal")).unwrap();
        fs::write(place.folder.join("PG_VERSION"), "15").unwrap();
        if timeline > 1 {
            fs::write(place.folder.join(format!("pg_wal/{timeline:08X}.history")), "").unwrap();
        }
        if is_standby {
            fs::write(place.folder.join("standby.signal"), "").unwrap();
        }
    }

    #[test]
    fn an_old_primary_does_not_start_beside_one_that_was_promoted() {
        let Ok(programs) = Programs::find() else {
            println!("left out: PostgreSQL's programs are not on this machine");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        // Nobody answers at these ports.
        let places = Cluster::places(folder.path(), [1, 2, 3]);
        stopped_server(&places[0], 1, false);
        stopped_server(&places[1], 1, true);
        stopped_server(&places[2], 1, true);
        assert!(follow_the_promoted(&programs, &places, 0).unwrap().is_none(), "nobody was");
        fs::remove_file(places[1].folder.join("standby.signal")).unwrap();
        stopped_server(&places[1], 2, false);
        let error = follow_the_promoted(&programs, &places, 0).unwrap_err().to_string();
        assert!(error.contains("two was promoted"), "{error}");
        assert!(follow_the_promoted(&programs, &places, 1).unwrap().is_none(), "it is the newest");
        follow_the_promoted(&programs, &places, 2).unwrap();
        let followed = fs::read_to_string(places[2].folder.join("postgresql.auto.conf")).unwrap();
        assert!(followed.contains("port=2 "), "{followed}");
    }

    #[test]
    fn urls_name_every_server_in_the_order_in_which_they_are_to_be_asked() {
        let places = Cluster::places(std::path::Path::new("/nowhere"), [1, 2, 3]);
        let [one, two, three] = &places;
        assert_eq!(
            url(&[two, three, one]),
            "postgresql://vitrine@127.0.0.1:2,127.0.0.1:3,127.0.0.1:1/shop"
        );
    }
}
