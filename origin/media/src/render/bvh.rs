//! A tree of boxes that finds the triangle a ray meets.

use crate::math::Vec3;
use crate::mesh::Bounds;

/// A triangle as a corner and two edges, and which one it was.
#[derive(Clone, Copy, Debug)]
struct Triangle {
    corner: Vec3,
    edge_a: Vec3,
    edge_b: Vec3,
    id: u32,
}

/// A leaf holds `count` triangles from `first`; an inner node's children are `first` and `first + 1`.
#[derive(Clone, Copy, Debug)]
struct Node {
    min: Vec3,
    max: Vec3,
    first: u32,
    count: u32,
}

/// The tree.
#[derive(Debug, Default)]
pub(super) struct Bvh {
    nodes: Vec<Node>,
    triangles: Vec<Triangle>,
}

/// What a ray met: triangle, place inside it and distance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) id: u32,
    pub(super) u: f32,
    pub(super) v: f32,
    pub(super) t: f32,
}

const LEAF_TRIANGLES_MAX: usize = 4;
const BINS: usize = 12;

struct Item {
    triangle: Triangle,
    bounds: Bounds,
    center: Vec3,
}

impl Bvh {
    /// Builds the tree over triangles given as three corners and a number.
    pub(super) fn new(corners: impl Iterator<Item = ([Vec3; 3], u32)>) -> Self {
        let mut items: Vec<Item> = corners
            .map(|([a, b, c], id)| {
                let bounds = Bounds::EMPTY.with(a).with(b).with(c);
                let triangle = Triangle { corner: a, edge_a: b - a, edge_b: c - a, id };
                Item { triangle, bounds, center: bounds.center() }
            })
            .collect();
        let mut tree = Self::default();
        if items.is_empty() {
            return tree;
        }
        let n = items.len();
        tree.nodes.push(Node { min: Vec3::ZERO, max: Vec3::ZERO, first: 0, count: 0 });
        let mut waiting = vec![(0_usize, 0_usize, n)];
        while let Some((node, start, end)) = waiting.pop() {
            let all = items[start..end].iter().fold(Bounds::EMPTY, |b, i| b.union(i.bounds));
            let slot = |first, count| Node { min: all.min, max: all.max, first, count };
            let cut = if end - start <= LEAF_TRIANGLES_MAX {
                None
            } else {
                split(&mut items[start..end])
            };
            match cut {
                Some(cut) => {
                    let child = tree.nodes.len();
                    tree.nodes[node] = slot(child as u32, 0);
                    tree.nodes.extend([slot(0, 0), slot(0, 0)]);
                    waiting.push((child, start, start + cut));
                    waiting.push((child + 1, start + cut, end));
                }
                None => tree.nodes[node] = slot(start as u32, (end - start) as u32),
            }
        }
        tree.triangles = items.iter().map(|i| i.triangle).collect();
        tree
    }

    /// Whether there are no triangles.
    pub(super) fn is_empty(&self) -> bool {
        self.triangles.is_empty()
    }

    /// The nearest triangle along a ray, nearer than `far`.
    pub(super) fn nearest(&self, origin: Vec3, direction: Vec3, far: f32) -> Option<Hit> {
        self.walk(origin, direction, far, false)
    }

    /// Whether anything is in the way.
    pub(super) fn is_blocked(&self, origin: Vec3, direction: Vec3, far: f32) -> bool {
        self.walk(origin, direction, far, true).is_some()
    }

    fn walk(&self, origin: Vec3, direction: Vec3, mut far: f32, any: bool) -> Option<Hit> {
        let root = self.nodes.first()?;
        let inverse = inverse(direction);
        enter(root, origin, inverse, far)?;
        let mut best = None;
        let mut stack = [(0_u32, 0.0_f32); 40];
        let mut depth = 1;
        while depth > 0 {
            depth -= 1;
            let (index, near) = stack[depth];
            if near > far {
                continue;
            }
            let node = &self.nodes[index as usize];
            if node.count > 0 {
                let first = node.first as usize;
                for triangle in &self.triangles[first..first + node.count as usize] {
                    if let Some(hit) = triangle.meet(origin, direction, far) {
                        if any {
                            return Some(hit);
                        }
                        far = hit.t;
                        best = Some(hit);
                    }
                }
                continue;
            }
            let left = enter(&self.nodes[node.first as usize], origin, inverse, far);
            let right = enter(&self.nodes[node.first as usize + 1], origin, inverse, far);
            let mut push = |child: u32, near: Option<f32>| {
                if let Some(near) = near.filter(|_| depth < stack.len()) {
                    stack[depth] = (child, near);
                    depth += 1;
                }
            };
            // The nearer child is looked at first, so it is pushed last.
            if left.unwrap_or(0.0) < right.unwrap_or(0.0) {
                push(node.first + 1, right);
                push(node.first, left);
            } else {
                push(node.first, left);
                push(node.first + 1, right);
            }
        }
        best
    }
}

fn inverse(d: Vec3) -> Vec3 {
    let one = |c: f32| if c.abs() < 1e-9 { 1e9_f32.copysign(c) } else { 1.0 / c };
    Vec3 { x: one(d.x), y: one(d.y), z: one(d.z) }
}

/// The distance at which a ray enters a box, if it does before `far`.
fn enter(node: &Node, origin: Vec3, inverse: Vec3, far: f32) -> Option<f32> {
    let a = (node.min - origin).scale(inverse);
    let b = (node.max - origin).scale(inverse);
    let (low, high) = (a.min(b), a.max(b));
    let near = low.x.max(low.y).max(low.z).max(0.0);
    let end = high.x.min(high.y).min(high.z).min(far);
    if near <= end { Some(near) } else { None }
}

impl Triangle {
    /// Möller and Trumbore's test; both faces count.
    fn meet(&self, origin: Vec3, direction: Vec3, far: f32) -> Option<Hit> {
        let p = direction.cross(self.edge_b);
        let det = self.edge_a.dot(p);
        if det.abs() < 1e-14 {
            return None;
        }
        let inv = 1.0 / det;
        let s = origin - self.corner;
        let u = s.dot(p) * inv;
        if !(0.0..=1.0).contains(&u) {
            return None;
        }
        let q = s.cross(self.edge_a);
        let v = direction.dot(q) * inv;
        if v < 0.0 || u + v > 1.0 {
            return None;
        }
        let t = self.edge_b.dot(q) * inv;
        if t > 1e-5 && t < far { Some(Hit { id: self.id, u, v, t }) } else { None }
    }
}

fn area(b: Bounds) -> f32 {
    let s = b.size();
    if s.x < 0.0 { 0.0 } else { s.x * s.y + s.y * s.z + s.z * s.x }
}

/// Parts the items where rays have least to do (surface area heuristic over bins); `None` if a leaf is as good.
fn split(items: &mut [Item]) -> Option<usize> {
    let centers = items.iter().fold(Bounds::EMPTY, |b, i| b.with(i.center));
    let size = centers.size().to_array();
    let axis = if size[0] >= size[1] && size[0] >= size[2] {
        0
    } else if size[1] >= size[2] {
        1
    } else {
        2
    };
    if size[axis] <= 1e-9 {
        return if items.len() > 16 { Some(items.len() / 2) } else { None };
    }
    let low = centers.min.to_array()[axis];
    let scale = BINS as f32 * 0.9999 / size[axis];
    let bin = |i: &Item| ((i.center.to_array()[axis] - low) * scale) as usize;
    let mut bins = [(Bounds::EMPTY, 0_usize); BINS];
    for item in items.iter() {
        let b = &mut bins[bin(item).min(BINS - 1)];
        b.0 = b.0.union(item.bounds);
        b.1 += 1;
    }
    let mut best = (f32::INFINITY, 0);
    for cut in 1..BINS {
        let side = |part: &[(Bounds, usize)]| {
            part.iter().fold((Bounds::EMPTY, 0), |s, b| (s.0.union(b.0), s.1 + b.1))
        };
        let (left, right) = (side(&bins[..cut]), side(&bins[cut..]));
        let cost = area(left.0) * left.1 as f32 + area(right.0) * right.1 as f32;
        if left.1 > 0 && right.1 > 0 && cost < best.0 {
            best = (cost, cut);
        }
    }
    items.sort_by_key(|i| bin(i).min(BINS - 1) >= best.1);
    let cut = items.partition_point(|i| bin(i).min(BINS - 1) < best.1);
    if cut == 0 || cut == items.len() { Some(items.len() / 2) } else { Some(cut) }
}
