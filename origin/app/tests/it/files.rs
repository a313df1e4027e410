//! Files that come out and go in again: nothing that they name is lost, whatever is in them; and files that are as large as
//! they may be.

use std::collections::BTreeMap;

use api_types::product::ProductChange;
use api_types::stock::{NewLocation, StockAdjustment};
use app::{ExportFormat, ExportKind, IMPORT_BYTES_MAX};
use domain::inventory::MAIN_LOCATION;
use serde_json::{Value, json};

use crate::imports::{bring_in, export, finish, make};
use crate::stock::staff;
use crate::world::World;
use engines::{Engine, on_every_engine};

/// Shops that are made up for each engine and format.
const RUNS: u64 = 6;

/// Numbers that look random and are the same for a seed (Steele et al., splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.roll(words.len() as u64)).unwrap()]
    }
}

/// Texts with everything that a format or a spreadsheet takes for its own.
const TEXTS: [&str; 9] = [
    "",
    "Plain",
    "a, b; \"c\"",
    "line\nbreak",
    "=1+1",
    "'quoted'",
    "-5",
    "ä 漢字 🙂",
    "two  spaces",
];

/// Makes up a catalogue as a seed brings it: a forest of categories, products with traits, variants with weights.
fn catalogue(dice: &mut Dice) -> Value {
    let categories: Vec<Value> = (0..8)
        .map(|number| {
            // Below one before it, or of one's own; in the file before those above it.
            let parent = (number > 0 && dice.roll(3) > 0).then(|| dice.roll(number));
            json!({"handle": format!("c{number}"), "title": format!("C{}", dice.pick(&TEXTS)),
                "description": dice.pick(&TEXTS), "position": dice.roll(5),
                "image_url": dice.pick(&["", "/m/c.webp"]), "parent": parent.map(|one| format!("c{one}"))})
        })
        .rev()
        .collect();
    let products: Vec<Value> = (0..12)
        .map(|number| {
            let variants: Vec<Value> = (0..=dice.roll(3))
                .map(|place| {
                    json!({"sku": format!("P{number}-{place}"), "title": format!("V{}", dice.pick(&TEXTS)),
                        "stock": dice.roll(50), "image_url": dice.pick(&["", "/m/v.webp"]),
                        "image_alt": dice.pick(&TEXTS), "grams": dice.roll(3) * 1_234,
                        "options": {"Colour": format!("O{}", dice.pick(&TEXTS)), "Size=|": dice.pick(&["S", "L"])},
                        "prices": [{"currency": "EUR", "minor": dice.roll(99_999)},
                            {"currency": "JPY", "minor": dice.roll(99_999)}]})
                })
                .collect();
            json!({"handle": format!("p{number}"), "title": format!("T{}", dice.pick(&TEXTS)),
                "subtitle": dice.pick(&TEXTS), "description": dice.pick(&TEXTS),
                "category": format!("c{}", dice.roll(8)), "tags": (0..dice.roll(3)).map(|tag| format!("tag{tag}")).collect::<Vec<_>>(),
                "featured": dice.roll(2) == 0, "created_at": "2026-11-01T00:00:00Z",
                "tax_class": dice.pick(&["standard", "reduced", "zero"]), "shippable": dice.roll(2) == 0,
                "discountable": dice.roll(2) == 0, "variants": variants})
        })
        .collect();
    json!({"currencies": ["EUR", "JPY"], "categories": categories, "products": products})
}

async fn write(world: &World, catalogue: &Value) {
    let catalogue = app::parse_catalogue(catalogue.to_string().as_bytes()).unwrap();
    world.store.upsert_catalogue(catalogue, world.clock.now()).await.unwrap();
}

/// Reads a file of objects by one of their members, without those that an import does not write.
fn rows(file: &str, name: &str) -> BTreeMap<String, Value> {
    let left_out = ["on_hand", "reserved", "version", "archived_at"];
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row.as_object_mut().unwrap().retain(|name, _| !left_out.contains(&name.as_str()));
        (row[name].as_str().unwrap().to_owned(), row)
    };
    file.lines().map(row).collect()
}

async fn all_right(world: &World, kind: &str, format: &str, file: &str) {
    let done = bring_in(world, kind, format, file).await;
    let errors = world.app.import_errors(done.id, 0).await.unwrap().items;
    assert_eq!((done.status.as_str(), done.rows_failed), ("done", 0), "{errors:?} in {file}");
}

async fn a_catalogue_goes_out_of_one_shop_and_into_another_and_is_the_same(engine: Engine) {
    for seed in 0..RUNS {
        let mut dice = Dice(seed);
        let from = World::with_stock(engine.another(), 1).await;
        write(&from, &catalogue(&mut dice)).await;
        let into = World::with_stock(engine.another(), 1).await;
        // The same currencies, and nothing else of it.
        write(&into, &json!({"currencies": ["EUR", "JPY"], "categories": [], "products": []}))
            .await;
        let (format, word) = if seed % 2 == 0 {
            (ExportFormat::Csv, "csv")
        } else {
            (ExportFormat::Ndjson, "ndjson")
        };
        for (kind, word_of, name) in [
            (ExportKind::Categories, "categories", "handle"),
            (ExportKind::Products, "products", "sku"),
        ] {
            let file = export(&from, kind, format).await;
            let known = |text: String| -> String {
                // The cup of every test's shop has no price in yen, which this shop demands of what comes in.
                text.split_inclusive(if word == "csv" { "\r\n" } else { "\n" })
                    .filter(|line| !line.contains("cup"))
                    .collect()
            };
            let file = known(file);
            for _ in 0..2 {
                all_right(&into, word_of, word, &file).await;
            }
            let (sent, come) = (
                known(export(&from, kind, ExportFormat::Ndjson).await),
                known(export(&into, kind, ExportFormat::Ndjson).await),
            );
            assert_eq!(rows(&come, name), rows(&sent, name), "seed {seed}");
        }
    }
}

async fn what_lies_anywhere_goes_out_and_comes_in_again_as_it_was(engine: Engine) {
    for seed in 0..RUNS {
        let mut dice = Dice(seed);
        let world = World::with_stock(engine.another(), 5).await;
        write(&world, &catalogue(&mut dice)).await;
        let mut places = vec![MAIN_LOCATION];
        for name in ["North", "South"] {
            let new = NewLocation {
                name: name.to_owned(),
                country: "DE".to_owned(),
                ..NewLocation::default()
            };
            places.push(world.app.create_location(new, None).await.unwrap().value.id);
        }
        let count = async |sku: &str, place: usize, pieces: u64| {
            let counted = json!({"location_id": places[place], "counted": pieces});
            let counted: StockAdjustment = serde_json::from_value(counted).unwrap();
            let sku = sku.parse().unwrap();
            world.app.adjust_stock(&staff(), sku, counted, None).await.unwrap();
        };
        let skus = ["CUP", "P0-0", "P3-0", "P7-0"];
        for sku in skus {
            for place in 0..places.len() {
                if dice.roll(4) > 0 {
                    count(sku, place, 10 + dice.roll(90)).await;
                }
            }
        }
        // Held pieces stay held, and are no business of a count.
        world.checkout(world.cart(2).await, "requires_action", "k").await.unwrap();
        let (format, word) = if seed % 2 == 0 {
            (ExportFormat::Csv, "csv")
        } else {
            (ExportFormat::Ndjson, "ndjson")
        };
        let before = export(&world, ExportKind::Stock, format).await;
        for sku in skus {
            for place in 0..places.len() {
                count(sku, place, 5 + dice.roll(200)).await;
            }
        }
        let changed = export(&world, ExportKind::Stock, format).await;
        assert_ne!(changed, before, "seed {seed}");
        all_right(&world, "stock", word, &before).await;
        // Where nothing ever lay there is a row of nothing now.
        let has_any = |file: String| -> Vec<String> {
            let lines = file.lines().map(str::to_owned);
            lines
                .filter(|line| !line.ends_with(",0,0") && !line.contains("\"on_hand\":0"))
                .collect()
        };
        let after = export(&world, ExportKind::Stock, format).await;
        let missing: Vec<_> = has_any(before.clone())
            .into_iter()
            .filter(|line| !after.contains(line.as_str()))
            .collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}\n{before}\n{after}");
        world.check_sums().await;
    }
}

/// Brings a file in; returns how many rows were right, and what is wrong with the others.
async fn told(world: &World, kind: &str, file: &str) -> (u64, Vec<String>) {
    let done = bring_in(world, kind, "csv", file).await;
    let errors = world.app.import_errors(done.id, 0).await.unwrap().items;
    let told = errors
        .iter()
        .map(|error| format!("{} {} {}", error.row, error.field, error.code))
        .collect();
    (done.rows_done, told)
}

async fn wrong_rows_of_categories_are_told_by_row_and_column(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let categories = "handle,title,position,parent\r\nhome,Home,1,/\r\nlamps,Lamps,2,home\r\nhome,Home,1,lamps\r\n\
        self,Self,1,self\r\nlost,Lost,1,nowhere\r\nBad,,-1,Also Bad\r\n";
    let (done, wrong) = told(&world, "categories", categories).await;
    assert_eq!(done, 2);
    assert_eq!(
        wrong,
        [
            "3 parent cycle",
            "4 parent cycle",
            "5 parent unknown",
            "6 handle invalid",
            "6 position invalid",
            "6 parent invalid",
            "6 title required"
        ]
    );
    let chain: String = (0..34)
        .map(|depth: usize| match depth.checked_sub(1) {
            None => format!("d{depth},D,/\r\n"),
            Some(above) => format!("d{depth},D,d{above}\r\n"),
        })
        .collect();
    let (done, wrong) =
        told(&world, "categories", &format!("handle,title,parent\r\n{chain}")).await;
    assert_eq!((done, wrong), (33, vec!["34 parent too-deep".to_owned()]));
    // A dry run tells the same.
    let id = make(&world, "categories", "csv", true).await;
    crate::imports::send(&world, id, categories, 50).await;
    let dry = finish(&world, id).await;
    assert_eq!((dry.rows_done, dry.rows_failed), (2, 4));
    let kinds: Vec<String> = world
        .store
        .waiting_events(200)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "category.created").count(), 2 + 33);
    // What is not named stays.
    for (cell, parent) in [("", "home"), ("/", "/")] {
        let file = format!("handle,title,parent\r\nlamps,Light,{cell}\r\n");
        let (done, wrong) = told(&world, "categories", &file).await;
        assert_eq!((done, wrong.len()), (1, 0));
        let file = export(&world, ExportKind::Categories, ExportFormat::Ndjson).await;
        assert_eq!(rows(&file, "handle")["lamps"]["parent"], parent);
    }
    let file = export(&world, ExportKind::Categories, ExportFormat::Ndjson).await;
    assert_eq!(rows(&file, "handle")["lamps"]["position"], 2);
}

async fn wrong_traits_and_places_are_told_by_row_and_column(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let products = "handle,title,category,sku,variant_title,price.EUR,tax_class,shippable,discountable,grams\r\n\
        lamp,Lamp,table,LAMP,Plain,5.00,reduced,no,yes,1200\r\nlamp,Lamp,table,LAMP,Plain,5.00,Not One,maybe,2,10000001\r\n";
    let (done, wrong) = told(&world, "products", products).await;
    assert_eq!(done, 1);
    assert_eq!(
        wrong,
        ["2 tax_class invalid", "2 shippable invalid", "2 discountable invalid", "2 grams invalid"]
    );
    let new = NewLocation {
        name: "North".to_owned(),
        country: "DE".to_owned(),
        ..NewLocation::default()
    };
    let north = world.app.create_location(new, None).await.unwrap().value.id;
    let stranger = "00000000-0000-7000-8000-000000000009";
    let stock = format!(
        "sku,location,counted\r\nCUP,{north},7\r\nCUP,{stranger},7\r\nCUP,north,7\r\nNONE,{north},7\r\nCUP,,\r\nCUP,,4\r\n"
    );
    let (done, wrong) = told(&world, "stock", &stock).await;
    assert_eq!(done, 2);
    assert_eq!(
        wrong,
        ["2 location unknown", "3 location invalid", "4 sku unknown", "5 counted required"]
    );
    let file = export(&world, ExportKind::Stock, ExportFormat::Csv).await;
    let expected = |main: u32, away: u32| {
        format!(
            "sku,location,on_hand,reserved,safety\r\nCUP,{MAIN_LOCATION},4,0,{main}\r\nCUP,{north},7,0,{away}\r\n"
        )
    };
    assert!(file.starts_with(&expected(0, 0)), "{file}");
    // What is never sold comes in as it went out, and stays where a file does not name it.
    for (main, away) in [(3, 7), (0, 1)] {
        all_right(&world, "stock", "csv", &expected(main, away)).await;
        let stock = format!("sku,location,counted\r\nCUP,{north},7\r\n");
        all_right(&world, "stock", "csv", &stock).await;
        let file = export(&world, ExportKind::Stock, ExportFormat::Csv).await;
        assert!(file.starts_with(&expected(main, away)), "{file}");
        let item = world.app.stock_item("CUP".parse().unwrap()).await.unwrap();
        let kept: Vec<i64> = item.locations.iter().map(|here| here.safety).collect();
        assert_eq!(kept, [i64::from(main), i64::from(away)]);
    }
}

/// What a row of products does not name, and what the staff writes by other ways, stays.
async fn traits_that_a_file_does_not_name_stay(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let row = "handle,title,category,sku,variant_title,price.EUR";
    let named = format!(
        "{row},tax_class,shippable,grams\r\ncup,Cup,table,CUP,Plain,1.00,reduced,false,350\r\n"
    );
    all_right(&world, "products", "csv", &named).await;
    all_right(&world, "products", "csv", &format!("{row}\r\ncup,Mug,table,CUP,Plain,2.00\r\n"))
        .await;
    let change = ProductChange { subtitle: Some("Blue".to_owned()), ..ProductChange::default() };
    world.app.change_product("cup".parse().unwrap(), change, None).await.unwrap();
    let file = export(&world, ExportKind::Products, ExportFormat::Ndjson).await;
    let cup = &rows(&file, "sku")["CUP"];
    assert_eq!((&cup["title"], &cup["subtitle"]), (&json!("Mug"), &json!("Blue")));
    assert_eq!(
        [&cup["tax_class"], &cup["shippable"], &cup["discountable"], &cup["grams"]],
        [&json!("reduced"), &json!("false"), &json!("true"), &json!(350)]
    );
}

async fn a_file_of_the_full_size_is_brought_in_and_a_byte_more_is_not(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    // Spaces between its members make a row long without making it slow.
    let (mut file, mut rows) = (String::new(), 0);
    let (full, spaces) = (usize::try_from(IMPORT_BYTES_MAX).unwrap(), " ".repeat(20_000));
    while file.len() + 21_000 < full {
        rows += 1;
        file += &format!("{{\"sku\":\"CUP\",{spaces}\"counted\":{rows}}}\n");
    }
    // Empty lines fill it up to the byte.
    file += &"\n".repeat(full - file.len());
    let id = make(&world, "stock", "ndjson", false).await;
    let mut parts = 0;
    for (number, body) in (1..).zip(file.as_bytes().chunks(api_types::import::PART_BYTES_MAX)) {
        world.app.add_import_part(id, number, body.to_vec()).await.unwrap();
        parts = number;
    }
    let more = world.app.add_import_part(id, parts + 1, b"\n".to_vec()).await.unwrap_err();
    assert_eq!(more.to_string(), "import-too-large");
    world.app.start_import(id).await.unwrap();
    let done = finish(&world, id).await;
    assert_eq!((done.status.as_str(), done.bytes_done), ("done", IMPORT_BYTES_MAX), "{done:?}");
    assert_eq!((done.rows_done, done.rows_failed), (rows, 0));
    let stock = world.store.stock("CUP".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(u64::try_from(stock.on_hand).unwrap(), rows);
    world.check_sums().await;
}

on_every_engine!(
    a_catalogue_goes_out_of_one_shop_and_into_another_and_is_the_same,
    what_lies_anywhere_goes_out_and_comes_in_again_as_it_was,
    wrong_rows_of_categories_are_told_by_row_and_column,
    wrong_traits_and_places_are_told_by_row_and_column,
    traits_that_a_file_does_not_name_stay,
    a_file_of_the_full_size_is_brought_in_and_a_byte_more_is_not,
);
