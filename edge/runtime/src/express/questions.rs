//! What a component asks for between two calls. What it was not granted is denied, as in the standard lane.

use std::sync::Arc;

use express_wire::{Failure, Question, ResultsWriter, Value, Writer};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout_at;

use super::Express;
use crate::{
    Body, InvokeError,
    capability::{
        database::{
            Database, STATEMENT_SLICE, StatementError,
            flat::{NotNow, own},
        },
        store::{SharedStore, StoreError},
    },
    host::Passage,
};

type Refused = Failure<'static>;

impl Express {
    /// Answers all questions of a verdict, in their order.
    pub(super) async fn answer(
        &self,
        questions: &[Question<'_>],
        body: &mut Option<Body>,
        passage: &Passage,
    ) -> Result<Vec<u8>, InvokeError> {
        let mut results = ResultsWriter::new(questions.len());
        for question in questions {
            match question {
                Question::Sql { database, statement, parameters } => {
                    self.sql(database, statement, parameters, &mut results).await;
                }
                Question::Variable(name) => results.add(|out| self.variable(name, out)),
                Question::KeyGet { store, key } => {
                    let found = match self.store(store) {
                        Ok(store) => store.get(key).await.map_err(unanswered),
                        Err(refused) => Err(refused),
                    };
                    results.add(|out| {
                        match found? {
                            Some(value) => {
                                out.byte(1);
                                out.raw(&value);
                            }
                            None => out.byte(0),
                        }
                        Ok(())
                    });
                }
                Question::KeySet { store, key, value } => {
                    let written = match self.store(store) {
                        Ok(store) => store.set(key, value.to_vec()).await.map_err(unanswered),
                        Err(refused) => Err(refused),
                    };
                    results.add(|_| written);
                }
                Question::KeyDelete { store, key } => {
                    let deleted = match self.store(store) {
                        Ok(store) => store.delete(key).await.map_err(unanswered),
                        Err(refused) => Err(refused),
                    };
                    results.add(|_| deleted);
                }
                Question::Body { bytes_max } => {
                    let whole = self.body(body.take(), *bytes_max, passage).await?;
                    results.add(|out| whole.map(|bytes| out.raw(&bytes)));
                }
            }
        }
        Ok(results.finish())
    }

    async fn sql(
        &self,
        label: &str,
        statement: &str,
        parameters: &[Value<'_>],
        results: &mut ResultsWriter,
    ) {
        let database = match self.database(label) {
            Ok(database) => database,
            Err(refused) => return results.add(|_| Err(refused)),
        };
        let mut must_wait = false;
        results.add(|out| match database.query_now(statement, parameters, out, STATEMENT_SLICE) {
            Ok(()) => Ok(()),
            Err(NotNow::Failed(error)) => Err(failed(&error)),
            Err(NotNow::Later) => {
                must_wait = true;
                Err(Failure::Missing)
            }
        });
        if must_wait {
            results.undo();
            let answer = Arc::clone(database).execute(statement.to_owned(), own(parameters)).await;
            results
                .add(|out| answer.map(|answer| answer.write(out)).map_err(|error| failed(&error)));
        }
    }

    fn database(&self, label: &str) -> Result<&Arc<Database>, Refused> {
        let databases = &self.pool.blueprint.capabilities.databases;
        let database = databases.get(label).ok_or(Failure::Denied)?;
        if database.is_filled() { Ok(database) } else { Err(Failure::Missing) }
    }

    fn store(&self, label: &str) -> Result<&SharedStore, Refused> {
        self.pool.blueprint.capabilities.stores.get(label).ok_or(Failure::Denied)
    }

    fn variable(&self, name: &str, out: &mut Writer) -> Result<(), Refused> {
        let value = self.pool.blueprint.capabilities.variables.get(name);
        out.raw(value.ok_or(Failure::Missing)?.expose().as_bytes());
        Ok(())
    }

    /// Reads the request's body. The client's silence is the request's failure, not the component's.
    async fn body(
        &self,
        body: Option<Body>,
        bytes_max: u32,
        passage: &Passage,
    ) -> Result<Result<bytes::Bytes, Refused>, InvokeError> {
        let Some(body) = body else { return Ok(Ok(bytes::Bytes::new())) };
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        match timeout_at(passage.deadline, Limited::new(body, bytes_max).collect()).await {
            Ok(Ok(whole)) => Ok(Ok(whole.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Ok(Err(Failure::TooLarge)),
            Ok(Err(error)) => Ok(Err(Failure::Other(error.to_string().into()))),
            Err(_) => Err(InvokeError::Timeout { component: self.pool.component() }),
        }
    }
}

fn failed(error: &StatementError) -> Refused {
    Failure::Other(error.0.clone().into())
}

fn unanswered(error: StoreError) -> Refused {
    Failure::Other(error.to_string().into())
}
