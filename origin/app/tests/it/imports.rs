//! Files that the staff brings in, and what comes out again.

use api_types::import::{Import, NewImport};
use app::{ExportFormat, ExportKind};
use domain::{Handle, ImportId, Sku};

use crate::world::World;
use engines::{Engine, on_every_engine};

pub(crate) async fn make(world: &World, kind: &str, format: &str, dry_run: bool) -> ImportId {
    let request = NewImport { kind: kind.to_owned(), format: format.to_owned(), dry_run };
    world.app.create_import(&request, None).await.unwrap().value.id
}

/// Sends a file in pieces of so many bytes, and starts it.
pub(crate) async fn send(world: &World, id: ImportId, file: &str, piece: usize) {
    for (number, body) in (1..).zip(file.as_bytes().chunks(piece)) {
        world.app.add_import_part(id, number, body.to_vec()).await.unwrap();
    }
    world.app.start_import(id).await.unwrap();
}

pub(crate) async fn finish(world: &World, id: ImportId) -> Import {
    while world.app.run_imports().await.unwrap() {}
    world.app.import(id).await.unwrap()
}

pub(crate) async fn bring_in(world: &World, kind: &str, format: &str, file: &str) -> Import {
    let id = make(world, kind, format, false).await;
    send(world, id, file, 100).await;
    finish(world, id).await
}

pub(crate) async fn export(world: &World, kind: ExportKind, format: ExportFormat) -> String {
    let (sender, mut pieces) = tokio::sync::mpsc::channel(1);
    let collect = async {
        let mut file = Vec::new();
        while let Some(piece) = pieces.recv().await {
            file.extend(piece);
        }
        String::from_utf8(file).unwrap()
    };
    let (exported, file) = tokio::join!(world.app.export(kind, format, sender), collect);
    exported.unwrap();
    file
}

fn handle(text: &str) -> Handle {
    text.parse().unwrap()
}

const PRODUCTS: &str = "handle,title,category,sku,variant_title,price.EUR,stock,tags\r
lamp,Lamp,table,LAMP-S,Small,49.00,4,light|home\r
lamp,Lamp,table,LAMP-L,\"Large, heavy\",79.5,2,light|home\r
cup,Mug,table,CUP,Plain,19.90,,\r
chair,Chair,nowhere,CHAIR,Plain,1.00,,\r
bad,,table,bad sku,Plain,-1,x,\r
pot,Pot,table,CUP,Plain,5.00,,\r
";

async fn good_rows_are_carried_out_and_wrong_ones_are_told_by_column(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let done = bring_in(&world, "products", "csv", PRODUCTS).await;
    assert_eq!((done.status.as_str(), done.rows_done, done.rows_failed), ("done", 3, 3));
    assert_eq!(done.bytes_done, done.bytes_total);
    let lamp = world.app.product(handle("lamp")).await.unwrap();
    let seen: Vec<_> = lamp
        .variants
        .iter()
        .map(|variant| (variant.title.as_str(), variant.prices[0].minor, variant.on_hand))
        .collect();
    assert_eq!(seen, [("Small", 4_900, 4), ("Large, heavy", 7_950, 2)]);
    // What a row does not name stays as it was.
    let cup = world.app.product(handle("cup")).await.unwrap();
    assert_eq!((cup.title.as_str(), cup.variants[0].image_url.as_str()), ("Mug", "/m/cup.webp"));
    assert_eq!((cup.variants[0].prices[0].minor, cup.variants[0].on_hand), (1_990, 5));
    let errors = world.app.import_errors(done.id, 0).await.unwrap().items;
    let told: Vec<_> =
        errors.iter().map(|error| (error.row, error.field.as_str(), error.code.as_str())).collect();
    assert_eq!(
        told,
        [
            (4, "category", "unknown"),
            (5, "price.EUR", "invalid"),
            (5, "stock", "invalid"),
            (5, "price", "required"),
            (5, "sku", "invalid"),
            (5, "title", "required"),
            (6, "sku", "sku-taken"),
        ]
    );
    world.check_sums().await;
}

async fn a_dry_run_tells_the_same_and_changes_nothing(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let before = world.store.feed_state().await.unwrap().position;
    let id = make(&world, "products", "csv", true).await;
    send(&world, id, PRODUCTS, 1_000).await;
    let done = finish(&world, id).await;
    assert_eq!((done.status.as_str(), done.rows_done, done.rows_failed), ("done", 3, 3));
    assert_eq!(world.store.feed_state().await.unwrap().position, before);
    assert!(world.store.product(handle("lamp")).await.unwrap().is_none());
    assert_eq!(world.app.product(handle("cup")).await.unwrap().title, "Cup");
}

async fn an_import_goes_on_where_a_killed_process_left_it_and_does_no_row_twice(engine: Engine) {
    let mut world = World::with_stock(engine, 5).await;
    let rows: String =
        (1..=450).map(|count| format!("{{\"sku\":\"CUP\",\"counted\":{count}}}\n")).collect();
    let id = make(&world, "stock", "ndjson", false).await;
    send(&world, id, &rows, 5_000).await;
    assert!(world.app.run_imports().await.unwrap());
    let first = world.app.import(id).await.unwrap();
    assert!(first.rows_done > 0 && first.rows_done < 450, "{}", first.rows_done);
    // A round that is dropped in the middle has done all of its rows or none.
    let _ =
        tokio::time::timeout(std::time::Duration::from_millis(1), world.app.run_imports()).await;
    world.restart().await;
    // Two processes that take the same rows up: one of them finds them done.
    let (one, other) = tokio::join!(world.app.run_imports(), world.app.run_imports());
    assert!(one.unwrap() && other.unwrap());
    let done = finish(&world, id).await;
    assert_eq!((done.status.as_str(), done.rows_done, done.rows_failed), ("done", 450, 0));
    let stock = world.store.stock("CUP".parse::<Sku>().unwrap()).await.unwrap().unwrap();
    assert_eq!(stock.on_hand, 450);
    world.check_sums().await;
}

async fn stock_is_never_counted_below_what_is_held_for_orders(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    world.checkout(world.cart(3).await, "requires_action", "k").await.unwrap();
    let done = bring_in(&world, "stock", "csv", "sku,counted\nCUP,2\nNONE,1\nCUP,3\n").await;
    assert_eq!((done.rows_done, done.rows_failed), (1, 2));
    let errors = world.app.import_errors(done.id, 0).await.unwrap().items;
    let codes: Vec<&str> = errors.iter().map(|error| error.code.as_str()).collect();
    assert_eq!(codes, ["too-few", "unknown"]);
    assert_eq!(world.available().await, 0);
    world.check_sums().await;
}

async fn pieces_come_in_order_and_the_same_one_may_come_again(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let id = make(&world, "prices", "csv", false).await;
    let empty = world.app.start_import(id).await.unwrap_err();
    assert_eq!(empty.to_string(), "import-empty");
    let part = async |number, body: &str| {
        let sent = world.app.add_import_part(id, number, body.as_bytes().to_vec()).await;
        sent.map(|import| import.bytes_total).map_err(|error| error.to_string())
    };
    assert_eq!(part(2, "x").await, Err("import-part".to_owned()));
    assert_eq!(part(1, "sku,price.EUR\n").await, Ok(14));
    assert_eq!(part(1, "sku,price.EUR\n").await, Ok(14));
    assert_eq!(part(1, "sku\n").await, Err("import-part".to_owned()));
    assert_eq!(part(2, "CUP,25\n").await, Ok(21));
    assert_eq!(part(1, "sku,price.EUR\n").await, Ok(21));
    world.app.start_import(id).await.unwrap();
    world.app.start_import(id).await.unwrap();
    assert_eq!(part(3, "x").await, Err("import-status".to_owned()));
    assert_eq!(finish(&world, id).await.rows_done, 1);
    assert_eq!(world.app.product(handle("cup")).await.unwrap().variants[0].prices[0].minor, 2_500);
    let late = world.app.cancel_import(id).await.unwrap_err();
    assert_eq!(late.to_string(), "import-status");
    let broken = bring_in(&world, "prices", "csv", "sku,sku\nCUP,1\n").await;
    assert_eq!((broken.status.as_str(), broken.failure.is_some()), ("failed", true));
    let events = world.store.waiting_events(100).await.unwrap();
    let kinds: Vec<&str> = events
        .iter()
        .filter(|event| event.aggregate == "import")
        .map(|event| event.kind.as_str())
        .collect();
    assert_eq!(kinds, ["import.running", "import.done", "import.running", "import.failed"]);
}

async fn what_is_exported_can_be_brought_in_again_and_holds_no_formula(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    bring_in(&world, "products", "csv", PRODUCTS).await;
    let change = serde_json::json!({"subtitle": "=HYPERLINK(\"http://evil.example\")"});
    let change = serde_json::from_value(change).unwrap();
    world.app.change_product(handle("cup"), change, None).await.unwrap();
    let file = export(&world, ExportKind::Products, ExportFormat::Csv).await;
    assert_eq!(file.lines().count(), 4, "{file}");
    assert!(file.contains(",\"'=HYPERLINK"), "{file}");
    assert!(!file.contains(",=") && !file.contains("\"=H"), "{file}");
    let again = bring_in(&world, "products", "csv", &file).await;
    assert_eq!((again.rows_done, again.rows_failed), (3, 0));
    let subtitle = world.app.product(handle("cup")).await.unwrap().subtitle;
    assert!(subtitle.starts_with("=HYPERLINK"), "{subtitle}");
    let without_versions = |file: &str| -> Vec<String> {
        file.lines().map(|line| line.split(',').take(8).collect::<Vec<_>>().join(",")).collect()
    };
    let after = export(&world, ExportKind::Products, ExportFormat::Csv).await;
    assert_eq!(without_versions(&after), without_versions(&file));
    world.checkout(world.cart(1).await, "success", "k").await.unwrap();
    let orders = export(&world, ExportKind::Orders, ExportFormat::Ndjson).await;
    let order: serde_json::Value = serde_json::from_str(orders.trim()).unwrap();
    assert_eq!((&order["total"], &order["city"]), (&"24.80".into(), &"Berlin".into()), "{order}");
    let stock = export(&world, ExportKind::Stock, ExportFormat::Csv).await;
    assert!(
        stock.starts_with(
            "sku,location,on_hand,reserved,safety\r\nCUP,00000000-0000-8000-8000-000000000001,4,0,0\r\n"
        ),
        "{stock}"
    );
    let nobody = export(&world, ExportKind::Customers, ExportFormat::Csv).await;
    assert_eq!(nobody, "email,id,created_at,orders\r\n");
}

on_every_engine!(
    good_rows_are_carried_out_and_wrong_ones_are_told_by_column,
    a_dry_run_tells_the_same_and_changes_nothing,
    an_import_goes_on_where_a_killed_process_left_it_and_does_no_row_twice,
    stock_is_never_counted_below_what_is_held_for_orders,
    pieces_come_in_order_and_the_same_one_may_come_again,
    what_is_exported_can_be_brought_in_again_and_holds_no_formula,
);
