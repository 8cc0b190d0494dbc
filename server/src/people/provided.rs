//! People of whom a provider says who they are: their accounts are made and changed by its word.

use super::audit::What;
use super::oidc::OidcRefused;
use super::{
    Caller, Identity, Login, MAX_USERS, People, PeopleError, PeopleWrite, Refused, User, Visitor,
    Who,
};
use saltpeter_domain::access::{Access, Role, UserName};

/// Somebody, as a provider knows them.
#[derive(Debug, Clone)]
pub(super) struct Provided {
    /// Who they are there.
    pub(super) identity: Identity,
    /// What people know the provider as.
    pub(super) provider: String,
    /// The name that a new account would have.
    pub(super) name: UserName,
    /// What they may do.
    pub(super) access: Access,
}

impl People {
    /// Logs in somebody whom the provider has sent. Their account is made if there is none, and their role is what it says now.
    pub(super) async fn log_in_provided(
        &self,
        provided: Provided,
        visitor: &Visitor,
    ) -> Result<Login, Refused> {
        let found = self.inner.store.user_of(&provided.identity).await;
        let user = match found.map_err(PeopleError::from)? {
            Some(user) => self.renew(user, provided, visitor).await?,
            None => self.add_provided(provided, visitor).await?,
        };
        Ok(self.begin_session(user, visitor).await?)
    }

    /// Ends the sessions of somebody who may come in no more; the account's name, if they have one.
    pub(super) async fn shut_out(
        &self,
        identity: &Identity,
    ) -> Result<Option<UserName>, PeopleError> {
        let Some(user) = self.inner.store.user_of(identity).await? else {
            return Ok(None);
        };
        let write = PeopleWrite::EndSessions(user.name.clone());
        self.inner.store.change(write).await?;
        self.tell();
        Ok(Some(user.name))
    }

    async fn renew(
        &self,
        user: User,
        provided: Provided,
        visitor: &Visitor,
    ) -> Result<User, PeopleError> {
        let (before, access) = (user.access, provided.access);
        if before != access {
            let write = PeopleWrite::SetProvided(provided.identity, access.clone());
            self.inner.store.change(write).await?;
            self.tell();
            let what = What::Changed {
                what: format!(
                    "the role of {}, by the groups at {}",
                    user.name, provided.provider
                ),
                before: before.to_string(),
                after: access.to_string(),
            };
            self.record(&themselves(&user.name, visitor), what).await;
        }
        Ok(User { access, ..user })
    }

    async fn add_provided(&self, provided: Provided, visitor: &Visitor) -> Result<User, Refused> {
        let Provided {
            identity,
            provider,
            name,
            access,
        } = provided;
        if access.role != Role::Admin && !self.has_users().await? {
            return Err(OidcRefused::NoAdminYet.into());
        }
        let user = User {
            name,
            access,
            password: None,
            identity: Some(identity),
            created: self.inner.clock.now(),
            created_by: provider.clone(),
        };
        let write = PeopleWrite::AddUser(user.clone());
        let added = self.inner.store.change(write).await;
        if added.map_err(PeopleError::from)? == 0 {
            let taken = self.inner.store.user(&user.name).await;
            return Err(match taken.map_err(PeopleError::from)? {
                Some(_) => OidcRefused::NameTaken(user.name).into(),
                None => PeopleError::Invalid(format!(
                    "there are {MAX_USERS} users already, which is the most there may be"
                ))
                .into(),
            });
        }
        let did = format!("came from {provider} for the first time, {}", user.access);
        self.record(&themselves(&user.name, visitor), What::Did(did))
            .await;
        Ok(user)
    }
}

/// Whoever logs in, for the audit trail.
fn themselves(name: &UserName, visitor: &Visitor) -> Caller {
    Caller {
        who: Who::User(name.clone()),
        from: visitor.from,
        ..Caller::console()
    }
}
