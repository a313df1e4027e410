//! Pages of A4, written from top to bottom.

use krilla::Document;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::page::PageSettings;

use crate::text::Letters;
use crate::{DocumentError, Fonts};

/// A4, in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
/// Edges, in points.
pub(crate) const LEFT: f32 = 56.0;
pub(crate) const RIGHT: f32 = WIDTH - 56.0;
const TOP: f32 = 64.0;
const BOTTOM: f32 = HEIGHT - 72.0;
/// Size of the foot's letters, in points.
const FOOT_SIZE: f32 = 8.0;

/// Something that is printed.
#[derive(Debug, Clone)]
enum Mark {
    Text { x: f32, y: f32, size: f32, text: String },
    Rule { y: f32 },
}

/// Marks of pages to come. They are drawn at the end, when it is known how many pages there are.
#[derive(Debug)]
pub(crate) struct Sheet<'a> {
    letters: Letters<'a>,
    pages: Vec<Vec<Mark>>,
    y: f32,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(fonts: &'a Fonts) -> Result<Self, DocumentError> {
        Ok(Self { letters: Letters::load(fonts)?, pages: vec![Vec::new()], y: TOP })
    }

    /// Goes on so far below; on the next page where there is no room for `needed` more.
    pub(crate) fn down(&mut self, by: f32, needed: f32) {
        self.y += by;
        if self.y + needed > BOTTOM {
            self.pages.push(Vec::new());
            self.y = TOP;
        }
    }

    /// Prints a text whose first letter stands at `x`.
    pub(crate) fn left(&mut self, x: f32, size: f32, text: &str) {
        let text = self.letters.printable(text);
        self.mark(x, size, text);
    }

    /// Prints a text whose last letter ends at `x`.
    pub(crate) fn right(&mut self, x: f32, size: f32, text: &str) {
        let text = self.letters.printable(text);
        let x = x - self.letters.width(&text, size);
        self.mark(x, size, text);
    }

    /// Breaks a text into lines that fit.
    pub(crate) fn wrap(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        self.letters.wrap(&self.letters.printable(text), size, width)
    }

    /// Draws a line across the page.
    pub(crate) fn rule(&mut self) {
        let y = self.y;
        self.push(Mark::Rule { y });
    }

    fn mark(&mut self, x: f32, size: f32, text: String) {
        let y = self.y;
        if !text.is_empty() {
            self.push(Mark::Text { x, y, size, text });
        }
    }

    fn push(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    /// Draws every page, each with a foot, and writes the file.
    pub(crate) fn write(mut self, title: &str, foot: &str) -> Result<Vec<u8>, DocumentError> {
        let count = self.pages.len();
        for (index, page) in self.pages.iter_mut().enumerate() {
            let number = format!("Page {} of {count}", index.saturating_add(1));
            let x = RIGHT - self.letters.width(&number, FOOT_SIZE);
            let y = HEIGHT - 40.0;
            let text = self.letters.printable(foot);
            page.push(Mark::Text { x: LEFT, y, size: FOOT_SIZE, text });
            page.push(Mark::Text { x, y, size: FOOT_SIZE, text: number });
        }
        let mut document = Document::new();
        document.set_metadata(Metadata::new().title(title.to_owned()).language("en".to_owned()));
        let failed = |what: &str| DocumentError::Write(what.to_owned());
        for marks in &self.pages {
            let settings =
                PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| failed("size of a page"))?;
            let mut page = document.start_page_with(settings);
            let mut surface = page.surface();
            for mark in marks {
                match mark {
                    Mark::Text { x, y, size, text } => {
                        let mut x = *x;
                        for run in self.letters.runs(text, *size) {
                            let start = Point::from_xy(x, *y);
                            surface.draw_text(
                                start,
                                run.font,
                                *size,
                                run.text,
                                false,
                                run.direction,
                            );
                            x += run.width;
                        }
                    }
                    Mark::Rule { y } => {
                        let mut line = PathBuilder::new();
                        line.push_rect(
                            Rect::from_xywh(LEFT, *y, RIGHT - LEFT, 0.6)
                                .ok_or_else(|| failed("size of a line"))?,
                        );
                        surface.draw_path(&line.finish().ok_or_else(|| failed("line"))?);
                    }
                }
            }
            surface.finish();
            page.finish();
        }
        document.finish().map_err(|error| failed(&format!("{error:?}")))
    }
}
