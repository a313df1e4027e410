//! Writes glTF 2.0 binary files: 12-byte header, JSON chunk, binary chunk.
//!
//! The JSON is written by hand in a fixed order, so that the same model gives the same bytes whatever features
//! other crates switch on in `serde_json`.

use std::fmt::Write;
use std::sync::Arc;

use crate::mesh::Mesh;
use crate::model::Material;
use crate::model::Model;
use crate::texture::Texture;

/// Which looks a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// All, switched by `KHR_materials_variants`; for viewers in a page.
    All,
    /// The one with this index, as the default material and without any extension; for everything else.
    One(usize),
}

/// Collects the binary chunk and what the JSON says about it.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    views: Vec<String>,
    accessors: Vec<String>,
}

impl Buffer {
    fn view(&mut self, data: &[u8], target: Option<u32>) -> usize {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
        let target = target.map_or(String::new(), |t| format!(r#","target":{t}"#));
        self.views.push(format!(
            r#"{{"buffer":0,"byteOffset":{},"byteLength":{}{target}}}"#,
            self.bytes.len(),
            data.len()
        ));
        self.bytes.extend_from_slice(data);
        self.views.len() - 1
    }

    fn accessor(
        &mut self,
        view: usize,
        component: u32,
        count: usize,
        kind: &str,
        extra: &str,
    ) -> usize {
        self.accessors.push(format!(
            r#"{{"bufferView":{view},"componentType":{component},"count":{count},"type":"{kind}"{extra}}}"#
        ));
        self.accessors.len() - 1
    }

    fn floats(
        &mut self,
        values: impl Iterator<Item = f32>,
        count: usize,
        kind: &str,
        extra: &str,
    ) -> usize {
        let data: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
        let view = self.view(&data, Some(34962));
        self.accessor(view, 5126, count, kind, extra)
    }

    /// Adds a mesh with what its materials need; returns its attributes and the index accessor.
    fn mesh(&mut self, mesh: &Mesh, needs: Needs) -> (String, usize) {
        let count = mesh.positions.len();
        let bounds = mesh.bounds();
        let triple = |v: [f32; 3]| {
            let [x, y, z] = v.map(f64::from);
            format!("[{x},{y},{z}]")
        };
        let range = format!(
            r#","min":{},"max":{}"#,
            triple(bounds.min.to_array()),
            triple(bounds.max.to_array())
        );
        let positions = mesh.positions.iter().flat_map(|p| p.to_array());
        let position = self.floats(positions, count, "VEC3", &range);
        let normal = self.floats(mesh.normals.iter().flat_map(|n| n.to_array()), count, "VEC3", "");
        let mut attributes = format!(r#""POSITION":{position},"NORMAL":{normal}"#);
        if needs.uvs {
            let uv = self.floats(mesh.uvs.iter().flat_map(|t| *t), count, "VEC2", "");
            let _ = write!(attributes, r#","TEXCOORD_0":{uv}"#);
        }
        if needs.tangents {
            let tangents = mesh.tangents();
            let tangent = self.floats(tangents.iter().flat_map(|t| *t), count, "VEC4", "");
            let _ = write!(attributes, r#","TANGENT":{tangent}"#);
        }
        let (data, component): (Vec<u8>, u32) = if count <= 65_535 {
            (mesh.indices.iter().flat_map(|i| (*i as u16).to_le_bytes()).collect(), 5123)
        } else {
            (mesh.indices.iter().flat_map(|i| i.to_le_bytes()).collect(), 5125)
        };
        let view = self.view(&data, Some(34963));
        let index = self.accessor(view, component, mesh.indices.len(), "SCALAR", "");
        (attributes, index)
    }
}

/// What the materials of a surface need of its mesh; viewers warn about more and guess what is missing.
#[derive(Clone, Copy)]
struct Needs {
    uvs: bool,
    tangents: bool,
}

impl Needs {
    fn of(model: &Model, looks: Looks, slot: usize) -> Self {
        let shown = model
            .looks
            .iter()
            .enumerate()
            .filter(|(i, _)| looks == Looks::All || looks == Looks::One(*i));
        let materials: Vec<&Arc<Material>> = shown.map(|(_, l)| &l.materials[slot]).collect();
        let tangents = materials.iter().any(|m| m.normal_map.is_some());
        Self { uvs: tangents || materials.iter().any(|m| m.base_map.is_some()), tangents }
    }
}

/// Materials and textures, each once.
#[derive(Default)]
struct Library {
    materials: Vec<Arc<Material>>,
    textures: Vec<Arc<Texture>>,
}

impl Library {
    fn material(&mut self, material: &Arc<Material>) -> usize {
        if let Some(i) = self.materials.iter().position(|m| m.name == material.name) {
            return i;
        }
        for texture in [&material.base_map, &material.normal_map].into_iter().flatten() {
            if !self.textures.iter().any(|t| t.name == texture.name) {
                self.textures.push(Arc::clone(texture));
            }
        }
        self.materials.push(Arc::clone(material));
        self.materials.len() - 1
    }

    fn texture(&self, texture: &Texture) -> usize {
        self.textures.iter().position(|t| t.name == texture.name).unwrap_or(0)
    }

    fn material_json(&self, m: &Material) -> String {
        let mut pbr = format!(
            r#""baseColorFactor":[{},{},{},{}],"metallicFactor":{},"roughnessFactor":{}"#,
            m.color.x, m.color.y, m.color.z, m.opacity, m.metallic, m.roughness
        );
        if let Some(map) = &m.base_map {
            let _ = write!(pbr, r#","baseColorTexture":{{"index":{}}}"#, self.texture(map));
        }
        let mut json = format!(r#"{{"name":{},"pbrMetallicRoughness":{{{pbr}}}"#, quote(&m.name));
        if let Some(map) = &m.normal_map {
            let _ = write!(json, r#","normalTexture":{{"index":{}}}"#, self.texture(map));
        }
        if m.emissive.length() > 0.0 {
            let e = m.emissive;
            let _ = write!(json, r#","emissiveFactor":[{},{},{}]"#, e.x, e.y, e.z);
        }
        if m.opacity < 1.0 {
            json.push_str(r#","alphaMode":"BLEND","doubleSided":true"#);
        }
        json.push('}');
        json
    }
}

fn quote(s: &str) -> String {
    serde_json::Value::from(s).to_string()
}

/// Writes `model` as one GLB file.
#[must_use]
pub fn write(model: &Model, looks: Looks) -> Vec<u8> {
    let mut buffer = Buffer::default();
    let mut library = Library::default();
    let mut primitives = Vec::new();
    for (slot, surface) in model.surfaces.iter().enumerate() {
        let (attributes, index) = buffer.mesh(&surface.mesh, Needs::of(model, looks, slot));
        let shown = if let Looks::One(i) = looks { i } else { 0 };
        let material = library.material(&model.looks[shown].materials[slot]);
        let extension = match looks {
            Looks::One(_) => String::new(),
            Looks::All => mappings(model, slot, &mut library),
        };
        primitives.push(format!(
            r#"{{"attributes":{{{attributes}}},"indices":{index},"material":{material}{extension}}}"#
        ));
    }
    let json = document(model, looks, &mut buffer, &library, &primitives);
    container(json.into_bytes(), buffer.bytes)
}

/// The `KHR_materials_variants` part of a primitive.
fn mappings(model: &Model, slot: usize, library: &mut Library) -> String {
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for (variant, look) in model.looks.iter().enumerate() {
        let material = library.material(&look.materials[slot]);
        match groups.iter_mut().find(|g| g.0 == material) {
            Some(group) => group.1.push(variant),
            None => groups.push((material, vec![variant])),
        }
    }
    if groups.len() < 2 {
        return String::new();
    }
    let list: Vec<String> =
        groups.iter().map(|(m, v)| format!(r#"{{"material":{m},"variants":{v:?}}}"#)).collect();
    format!(r#","extensions":{{"KHR_materials_variants":{{"mappings":[{}]}}}}"#, list.join(","))
}

fn document(
    model: &Model,
    looks: Looks,
    buffer: &mut Buffer,
    library: &Library,
    primitives: &[String],
) -> String {
    let images: Vec<String> = library
        .textures
        .iter()
        .map(|t| {
            let view = buffer.view(&t.jpeg, None);
            format!(r#"{{"name":{},"bufferView":{view},"mimeType":"image/jpeg"}}"#, quote(&t.name))
        })
        .collect();
    while !buffer.bytes.len().is_multiple_of(4) {
        buffer.bytes.push(0);
    }
    let textures: Vec<String> =
        (0..images.len()).map(|i| format!(r#"{{"sampler":0,"source":{i}}}"#)).collect();
    let materials: Vec<String> =
        library.materials.iter().map(|m| library.material_json(m)).collect();
    let name = quote(&model.name);
    let mut json = String::from(r#"{"asset":{"version":"2.0","generator":"Vitrine media"}"#);
    if looks == Looks::All {
        let names: Vec<String> =
            model.looks.iter().map(|l| format!(r#"{{"name":{}}}"#, quote(&l.name))).collect();
        let _ = write!(
            json,
            r#","extensionsUsed":["KHR_materials_variants"],"extensions":{{"KHR_materials_variants":{{"variants":[{}]}}}}"#,
            names.join(",")
        );
    }
    let _ = write!(
        json,
        r#","scene":0,"scenes":[{{"name":{name},"nodes":[0]}}],"nodes":[{{"name":{name},"mesh":0}}]"#
    );
    let _ =
        write!(json, r#","meshes":[{{"name":{name},"primitives":[{}]}}]"#, primitives.join(","));
    let _ = write!(json, r#","materials":[{}]"#, materials.join(","));
    if !images.is_empty() {
        let _ = write!(
            json,
            r#","samplers":[{{"magFilter":9729,"minFilter":9987,"wrapS":10497,"wrapT":10497}}],"textures":[{}],"images":[{}]"#,
            textures.join(","),
            images.join(",")
        );
    }
    let _ = write!(
        json,
        r#","accessors":[{}],"bufferViews":[{}],"buffers":[{{"byteLength":{}}}]}}"#,
        buffer.accessors.join(","),
        buffer.views.join(","),
        buffer.bytes.len()
    );
    json
}

/// Puts the two chunks into a file; each is padded to four bytes.
fn container(mut json: Vec<u8>, binary: Vec<u8>) -> Vec<u8> {
    while !json.len().is_multiple_of(4) {
        json.push(b' ');
    }
    let total = 12 + 8 + json.len() + 8 + binary.len();
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(b"glTF");
    for word in [2, total as u32, json.len() as u32] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(b"JSON");
    out.extend_from_slice(&json);
    out.extend_from_slice(&(binary.len() as u32).to_le_bytes());
    out.extend_from_slice(b"BIN\0");
    out.extend_from_slice(&binary);
    out
}
