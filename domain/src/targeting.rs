//! Which machines a job is for.

use serde::{Deserialize, Serialize};

/// How a target expression is read; the words are Salt's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetType {
    /// Shell pattern on the machine's name.
    #[default]
    Glob,
    /// Regular expression on the machine's name.
    Pcre,
    /// Names.
    List,
    /// Shell pattern on a grain.
    Grain,
    /// Regular expression on a grain.
    GrainPcre,
    /// Shell pattern on a pillar value.
    Pillar,
    /// A group that Salt's master defines.
    Nodegroup,
    /// Address or network.
    #[serde(rename = "ipcidr")]
    IpCidr,
    /// Several of these with `and`, `or`, `not` and parentheses.
    Compound,
}

/// A target expression, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct TargetExpr {
    target_type: TargetType,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    target_type: TargetType,
    text: String,
}

/// Why a text is not a target expression. The message is for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TargetError {
    /// Where in the expression, in characters from 0.
    pub offset: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

impl TargetExpr {
    /// Reads `text` as `target_type`. A list is its names with commas between.
    pub fn parse(target_type: TargetType, text: &str) -> Result<Self, TargetError> {
        if text.trim().is_empty() {
            return Err(TargetError {
                offset: 0,
                message: "the target expression is empty".to_owned(),
            });
        }
        Ok(Self {
            target_type,
            text: text.to_owned(),
        })
    }

    /// How it is read.
    pub fn target_type(&self) -> TargetType {
        self.target_type
    }

    /// The expression as written; a list is its names with commas between.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl TryFrom<Written> for TargetExpr {
    type Error = TargetError;
    fn try_from(written: Written) -> Result<Self, TargetError> {
        Self::parse(written.target_type, &written.text)
    }
}

impl From<TargetExpr> for Written {
    fn from(expr: TargetExpr) -> Self {
        Self {
            target_type: expr.target_type,
            text: expr.text,
        }
    }
}
