//! Who of the staff may do what: roles are given to accounts and keys, permissions are asked for by addresses, and one
//! fixed table leads from the one to the other.

use core::fmt;
use core::str::FromStr;

/// What a member of the staff or a program of the merchant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May do everything, also give roles and keys.
    Owner,
    /// Keeps products, prices and stock.
    Catalogue,
    /// Fulfils orders.
    Orders,
    /// Moves money.
    Payments,
    /// Answers shoppers.
    Support,
    /// Connects other systems: webhooks, imports and exports.
    Integrations,
    /// Looks and changes nothing.
    Reader,
}

/// What an address of the admin API asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Read products, prices and promotions.
    CatalogueRead,
    /// Change them.
    CatalogueWrite,
    /// Read stock.
    InventoryRead,
    /// Move stock.
    InventoryWrite,
    /// Read orders, with the shopper's address.
    OrdersRead,
    /// Fulfil, cancel and take back.
    OrdersWrite,
    /// Write a note on an order.
    OrdersNote,
    /// Read payments and the ledger.
    PaymentsRead,
    /// Capture, void and refund.
    PaymentsWrite,
    /// Read imports and what was wrong with them.
    ImportsRead,
    /// Bring files in.
    ImportsWrite,
    /// Read webhooks and their deliveries.
    WebhooksRead,
    /// Change webhooks, send test events and replay.
    WebhooksWrite,
    /// Read who has which role and which keys there are.
    StaffRead,
    /// Give and take roles and keys.
    StaffWrite,
    /// Read the shop's settings.
    ShopRead,
    /// Change them.
    ShopWrite,
}

/// A word that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role")]
pub struct UnknownRole;

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Owner,
        Self::Catalogue,
        Self::Orders,
        Self::Payments,
        Self::Support,
        Self::Integrations,
        Self::Reader,
    ];

    /// Returns the word on the wire and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Catalogue => "catalogue",
            Self::Orders => "orders",
            Self::Payments => "payments",
            Self::Support => "support",
            Self::Integrations => "integrations",
            Self::Reader => "reader",
        }
    }

    /// Tells whether who has this role alone may do something. The whole table.
    #[must_use]
    pub const fn allows(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Owner => true,
            Self::Catalogue => matches!(
                permission,
                P::CatalogueRead
                    | P::CatalogueWrite
                    | P::InventoryRead
                    | P::InventoryWrite
                    | P::ImportsRead
                    | P::ImportsWrite
                    | P::ShopRead
            ),
            Self::Orders => matches!(
                permission,
                P::CatalogueRead
                    | P::InventoryRead
                    | P::InventoryWrite
                    | P::OrdersRead
                    | P::OrdersWrite
                    | P::OrdersNote
                    | P::PaymentsRead
                    | P::ShopRead
            ),
            Self::Payments => matches!(
                permission,
                P::OrdersRead | P::OrdersNote | P::PaymentsRead | P::PaymentsWrite | P::ShopRead
            ),
            Self::Support => matches!(
                permission,
                P::CatalogueRead
                    | P::InventoryRead
                    | P::OrdersRead
                    | P::OrdersNote
                    | P::PaymentsRead
                    | P::ShopRead
            ),
            Self::Integrations => matches!(
                permission,
                P::CatalogueRead
                    | P::InventoryRead
                    | P::OrdersRead
                    | P::PaymentsRead
                    | P::ImportsRead
                    | P::ImportsWrite
                    | P::WebhooksRead
                    | P::WebhooksWrite
                    | P::ShopRead
            ),
            // Who may look at everything may still not see who else may.
            Self::Reader => matches!(
                permission,
                P::CatalogueRead
                    | P::InventoryRead
                    | P::OrdersRead
                    | P::PaymentsRead
                    | P::ImportsRead
                    | P::WebhooksRead
                    | P::ShopRead
            ),
        }
    }
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 17] = [
        Self::CatalogueRead,
        Self::CatalogueWrite,
        Self::InventoryRead,
        Self::InventoryWrite,
        Self::OrdersRead,
        Self::OrdersWrite,
        Self::OrdersNote,
        Self::PaymentsRead,
        Self::PaymentsWrite,
        Self::ImportsRead,
        Self::ImportsWrite,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::StaffRead,
        Self::StaffWrite,
        Self::ShopRead,
        Self::ShopWrite,
    ];

    /// Returns the word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CatalogueRead => "catalogue:read",
            Self::CatalogueWrite => "catalogue:write",
            Self::InventoryRead => "inventory:read",
            Self::InventoryWrite => "inventory:write",
            Self::OrdersRead => "orders:read",
            Self::OrdersWrite => "orders:write",
            Self::OrdersNote => "orders:note",
            Self::PaymentsRead => "payments:read",
            Self::PaymentsWrite => "payments:write",
            Self::ImportsRead => "imports:read",
            Self::ImportsWrite => "imports:write",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::StaffRead => "staff:read",
            Self::StaffWrite => "staff:write",
            Self::ShopRead => "shop:read",
            Self::ShopWrite => "shop:write",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_for_each_role_and_permission_what_it_is_meant_to_say() {
        // Columns are the roles in order, without the owner: catalogue, orders, payments, support, integrations, reader.
        for (permission, row) in [
            (Permission::CatalogueRead, "xx.xxx"),
            (Permission::CatalogueWrite, "x....."),
            (Permission::InventoryRead, "xx.xxx"),
            (Permission::InventoryWrite, "xx...."),
            (Permission::OrdersRead, ".xxxxx"),
            (Permission::OrdersWrite, ".x...."),
            (Permission::OrdersNote, ".xxx.."),
            (Permission::PaymentsRead, ".xxxxx"),
            (Permission::PaymentsWrite, "..x..."),
            (Permission::ImportsRead, "x...xx"),
            (Permission::ImportsWrite, "x...x."),
            (Permission::WebhooksRead, "....xx"),
            (Permission::WebhooksWrite, "....x."),
            (Permission::StaffRead, "......"),
            (Permission::StaffWrite, "......"),
            (Permission::ShopRead, "xxxxxx"),
            (Permission::ShopWrite, "......"),
        ] {
            let (owner, others) = Role::ALL.split_first().unwrap();
            assert!(owner.allows(permission));
            let said: String =
                others.iter().map(|role| if role.allows(permission) { 'x' } else { '.' }).collect();
            assert_eq!(said, row, "{permission}");
        }
    }

    #[test]
    fn words_lead_back_to_their_roles_and_are_all_different() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        for bad in ["", "Owner", "admin", "owner "] {
            assert_eq!(bad.parse::<Role>(), Err(UnknownRole), "{bad}");
        }
        let mut words = Permission::ALL.map(Permission::as_str);
        words.sort_unstable();
        assert!(words.is_sorted_by(|one, other| one < other));
    }
}
