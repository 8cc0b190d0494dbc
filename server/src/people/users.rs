//! Accounts: made, changed and removed by admins.

use super::audit::What;
use super::{Caller, MAX_USERS, People, PeopleError, PeopleWrite, User};
use saltpeter_domain::Secret;
use saltpeter_domain::access::{Access, Deed, Role, UserName, password};

impl People {
    /// All accounts, by name. For admins.
    pub async fn users(&self, caller: &Caller) -> Result<Vec<User>, PeopleError> {
        self.permit(caller, Deed::Administer).await?;
        Ok(self.inner.store.users().await?)
    }

    /// Makes an account. Without a password its user can come only through a proxy that knows them.
    pub async fn add_user(
        &self,
        caller: &Caller,
        name: UserName,
        access: Access,
        password: Option<Secret>,
    ) -> Result<(), PeopleError> {
        self.permit(caller, Deed::Administer).await?;
        if access.role != Role::Admin && !self.has_users().await? {
            let message = "the first user is to be an admin, or nobody could add others".to_owned();
            return Err(PeopleError::Invalid(message));
        }
        let password = match password {
            Some(password) => Some(self.new_password(&name, password).await?),
            None => None,
        };
        let what = What::Did(format!("added the user {name}, {access}"));
        let user = User {
            name: name.clone(),
            access,
            password,
            identity: None,
            created: self.inner.clock.now(),
            created_by: caller.to_string(),
        };
        if self.inner.store.change(PeopleWrite::AddUser(user)).await? == 0 {
            let message = match self.inner.store.user(&name).await? {
                Some(_) => format!("there is a user {name} already"),
                None => {
                    format!("there are {MAX_USERS} users already, which is the most there may be")
                }
            };
            return Err(PeopleError::Invalid(message));
        }
        self.record(caller, what).await;
        Ok(())
    }

    /// Removes an account and ends its sessions.
    pub async fn remove_user(&self, caller: &Caller, name: &UserName) -> Result<(), PeopleError> {
        self.permit(caller, Deed::Administer).await?;
        let write = PeopleWrite::RemoveUser(name.clone());
        if self.inner.store.change(write).await? == 0 {
            self.find_user(name).await?;
            return Err(PeopleError::LastAdmin(name.clone()));
        }
        self.tell();
        let what = What::Did(format!("removed the user {name}"));
        self.record(caller, what).await;
        Ok(())
    }

    /// Changes what somebody may do.
    pub async fn set_access(
        &self,
        caller: &Caller,
        name: &UserName,
        access: Access,
    ) -> Result<(), PeopleError> {
        self.permit(caller, Deed::Administer).await?;
        let before = self.find_user(name).await?;
        if before.identity.is_some() {
            let message = format!(
                "{name} comes from the provider of `oidc`, whose groups say at each login what they may do; change the groups there, or `roles` of `oidc`"
            );
            return Err(PeopleError::Invalid(message));
        }
        let before = before.access;
        let what = What::Changed {
            what: format!("the role of {name}"),
            before: before.to_string(),
            after: access.to_string(),
        };
        let write = PeopleWrite::SetAccess(name.clone(), access);
        if self.inner.store.change(write).await? == 0 {
            return Err(PeopleError::LastAdmin(name.clone()));
        }
        self.tell();
        self.record(caller, what).await;
        Ok(())
    }

    /// Gives somebody another password, and ends their sessions. For admins; one's own is changed by
    /// [`People::change_own_password`].
    pub async fn set_password(
        &self,
        caller: &Caller,
        name: &UserName,
        password: Secret,
    ) -> Result<(), PeopleError> {
        self.permit(caller, Deed::Administer).await?;
        if self.find_user(name).await?.identity.is_some() {
            let message = format!(
                "{name} comes from the provider of `oidc` and has the password there; with one here it would be no more the provider who lets them in"
            );
            return Err(PeopleError::Invalid(message));
        }
        self.write_password(caller, name, password, None).await
    }

    /// Whether the caller has a password here, and a session by which to change it.
    pub async fn has_password(&self, caller: &Caller) -> Result<bool, PeopleError> {
        let (Some(name), Some(_)) = (caller.user(), caller.session()) else {
            return Ok(false);
        };
        let user = self.inner.store.user(name).await?;
        Ok(user.is_some_and(|user| user.password.is_some()))
    }

    /// Changes the caller's own password. Their other sessions end.
    pub async fn change_own_password(
        &self,
        caller: &Caller,
        present: Secret,
        new: Secret,
    ) -> Result<(), PeopleError> {
        let Some(name) = caller.user() else {
            let message = "only a user has a password".to_owned();
            return Err(PeopleError::Invalid(message));
        };
        let user = self.find_user(name).await?;
        self.count_own_guess(name)?;
        if !self.inner.hashing.verify(present, user.password).await? {
            let message = "the present password is another one".to_owned();
            return Err(PeopleError::Invalid(message));
        }
        self.own_guess_was_right(name);
        self.write_password(caller, name, new, caller.session())
            .await
    }

    async fn write_password(
        &self,
        caller: &Caller,
        name: &UserName,
        password: Secret,
        but: Option<i64>,
    ) -> Result<(), PeopleError> {
        let password = self.new_password(name, password).await?;
        let write = PeopleWrite::SetPassword {
            user: name.clone(),
            password,
            but,
        };
        self.inner.store.change(write).await?;
        self.tell();
        let what = What::Did(format!("changed the password of {name}"));
        self.record(caller, what).await;
        Ok(())
    }

    /// The hash of a password that may be chosen.
    pub(super) async fn new_password(
        &self,
        user: &UserName,
        password: Secret,
    ) -> Result<Secret, PeopleError> {
        password::check(password.expose(), user)
            .map_err(|weakness| PeopleError::Invalid(weakness.to_string()))?;
        Ok(self.inner.hashing.hash(password).await?)
    }

    async fn find_user(&self, name: &UserName) -> Result<User, PeopleError> {
        let found = self.inner.store.user(name).await?;
        found.ok_or_else(|| PeopleError::Unknown(format!("there is no user {name}")))
    }

    /// Whoever finds an open browser may not guess at its user's password without end either.
    fn count_own_guess(&self, name: &UserName) -> Result<(), PeopleError> {
        let now = self.inner.clock.now();
        let begun = super::lock(&self.inner.by_user).begin(&name.to_string(), now);
        begun.map_err(|pause| PeopleError::Invalid(super::Refused::Pause(pause).to_string()))
    }

    fn own_guess_was_right(&self, name: &UserName) {
        super::lock(&self.inner.by_user).succeeded(&name.to_string());
    }
}
