//! Smooths the light of neighbouring pixels without crossing edges.

use super::camera::Camera;
use super::expose::Light;
use super::expose::Place;

/// How alike two places are: 0‥1.
fn likeness(a: &Place, b: &Place, reach: f32) -> f32 {
    if a.is_empty || b.is_empty {
        return 0.0;
    }
    let turn = a.normal.dot(b.normal).max(0.0);
    let turn = turn * turn;
    let turn = turn * turn;
    let lift = (b.place - a.place).dot(a.normal) / reach;
    let side = (b.place - a.place).length() / (reach * 8.0);
    turn * turn / ((1.0 + lift * lift * 4.0) * (1.0 + side * side))
}

/// Three passes of a small filter with growing holes ("à trous"), a fourth for plain floor.
pub(super) fn smooth(
    mut lights: Vec<Light>,
    places: &[Place],
    plain: &[bool],
    camera: &Camera,
) -> Vec<Light> {
    let (width, height) = (camera.width as isize, camera.height as isize);
    for pass in 0..4 {
        let step = 1_isize << pass;
        let blend = |i: usize| {
            let here = &places[i];
            if here.is_empty || (pass == 3 && !plain[i]) {
                return lights[i];
            }
            let distance = (here.place - camera.eye).length();
            let reach = distance * camera.pixel() * 3.0 * step as f32;
            let (x, y) = (i as isize % width, i as isize / width);
            let (mut sum, mut total) = (lights[i].times(2.0), 2.0);
            for dy in -1..=1 {
                for dx in -1..=1 {
                    let (nx, ny) = (x + dx * step, y + dy * step);
                    if (dx, dy) == (0, 0) || nx < 0 || ny < 0 || nx >= width || ny >= height {
                        continue;
                    }
                    let j = (ny * width + nx) as usize;
                    let weight = likeness(here, &places[j], reach);
                    sum = sum.add(lights[j], weight);
                    total += weight;
                }
            }
            sum.times(1.0 / total)
        };
        lights = (0..lights.len()).map(blend).collect();
    }
    lights
}

/// The light of a sample from the pixels around it; `None` where none of them shows the same thing.
pub(super) fn upsample(
    lights: &[Light],
    places: &[Place],
    camera: &Camera,
    pixel: usize,
    sample: &Place,
) -> Option<Light> {
    if sample.is_empty {
        return Some(Light { key: 1.0, room: 1.0, lamp: 0.0 });
    }
    let (width, height) = (camera.width as isize, camera.height as isize);
    let reach = (sample.place - camera.eye).length() * camera.pixel() * 1.5;
    let own = likeness(sample, &places[pixel], reach);
    if own > 0.75 {
        return Some(lights[pixel]);
    }
    let (x, y) = (pixel as isize % width, pixel as isize / width);
    let (mut sum, mut total) = (Light::default(), 0.0);
    for dy in -1..=1 {
        for dx in -1..=1 {
            let (nx, ny) = (x + dx, y + dy);
            if nx < 0 || ny < 0 || nx >= width || ny >= height {
                continue;
            }
            let j = (ny * width + nx) as usize;
            let weight = likeness(sample, &places[j], reach);
            sum = sum.add(lights[j], weight);
            total += weight;
        }
    }
    if total > 0.15 { Some(sum.times(1.0 / total)) } else { None }
}
