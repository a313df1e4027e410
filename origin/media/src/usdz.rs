//! Writes USDZ packages: an uncompressed zip whose files start on 64-byte borders, the scene first.
//!
//! The scene is USD text (`usda`) with `UsdPreviewSurface` materials, as Quick Look reads it.

use std::fmt::Write;
use std::sync::Arc;

use crate::model::Material;
use crate::model::Model;
use crate::model::Surface;
use crate::texture::Texture;

/// Writes one look of `model` as a USDZ file.
#[must_use]
pub fn write(model: &Model, look: usize) -> Vec<u8> {
    let materials = &model.looks[look].materials;
    let mut textures: Vec<Arc<Texture>> = Vec::new();
    for map in materials.iter().flat_map(|m| [&m.base_map, &m.normal_map]).flatten() {
        if !textures.iter().any(|t| t.name == map.name) {
            textures.push(Arc::clone(map));
        }
    }
    let mut zip = Zip::default();
    zip.add("model.usda", scene(model, materials).as_bytes());
    for texture in &textures {
        zip.add(&format!("textures/{}.jpg", texture.name), &texture.jpeg);
    }
    zip.finish()
}

fn scene(model: &Model, materials: &[Arc<Material>]) -> String {
    let name = &model.name;
    let mut out = format!(
        "#usda 1.0\n(\n    defaultPrim = \"{name}\"\n    metersPerUnit = 1\n    upAxis = \"Y\"\n)\n\n\
         def Xform \"{name}\" (\n    kind = \"component\"\n)\n{{\n"
    );
    for (surface, material) in model.surfaces.iter().zip(materials) {
        mesh(&mut out, name, surface, material);
    }
    out.push_str("    def Scope \"Materials\"\n    {\n");
    let mut written: Vec<&str> = Vec::new();
    for material in materials {
        if !written.contains(&material.name.as_str()) {
            written.push(&material.name);
            shader_network(&mut out, name, material);
        }
    }
    out.push_str("    }\n}\n");
    out
}

/// A number with at most `digits` decimals and no trailing zeros.
fn number(out: &mut String, value: f32, digits: usize) {
    let start = out.len();
    let _ = write!(out, "{value:.digits$}");
    while out.ends_with('0') {
        out.pop();
    }
    if out.ends_with('.') {
        out.pop();
    }
    if &out[start..] == "-0" || out.len() == start {
        out.truncate(start);
        out.push('0');
    }
}

fn tuples<'a>(out: &mut String, values: impl Iterator<Item = &'a [f32]>, digits: usize) {
    for (i, tuple) in values.enumerate() {
        out.push_str(if i > 0 { ",(" } else { "(" });
        for (k, v) in tuple.iter().enumerate() {
            if k > 0 {
                out.push(',');
            }
            number(out, *v, digits);
        }
        out.push(')');
    }
}

fn mesh(out: &mut String, root: &str, surface: &Surface, material: &Material) {
    let mesh = &surface.mesh;
    let bounds = mesh.bounds();
    let _ = write!(
        out,
        "    def Mesh \"{}\" (\n        prepend apiSchemas = [\"MaterialBindingAPI\"]\n    )\n    {{\n",
        surface.name
    );
    if material.opacity < 1.0 {
        out.push_str("        uniform bool doubleSided = 1\n");
    }
    out.push_str("        float3[] extent = [");
    tuples(out, [bounds.min.to_array(), bounds.max.to_array()].iter().map(|a| &a[..]), 6);
    out.push_str("]\n        int[] faceVertexCounts = [");
    for i in 0..mesh.triangles() {
        out.push_str(if i > 0 { ",3" } else { "3" });
    }
    out.push_str("]\n        int[] faceVertexIndices = [");
    for (i, index) in mesh.indices.iter().enumerate() {
        let _ = write!(out, "{}{index}", if i > 0 { "," } else { "" });
    }
    let _ = write!(
        out,
        "]\n        rel material:binding = </{root}/Materials/{}>\n        normal3f[] normals = [",
        material.name
    );
    let normals: Vec<[f32; 3]> = mesh.normals.iter().map(|n| n.to_array()).collect();
    tuples(out, normals.iter().map(|a| &a[..]), 3);
    out.push_str(
        "] (\n            interpolation = \"vertex\"\n        )\n        point3f[] points = [",
    );
    let points: Vec<[f32; 3]> = mesh.positions.iter().map(|p| p.to_array()).collect();
    tuples(out, points.iter().map(|a| &a[..]), 5);
    out.push_str("]\n        texCoord2f[] primvars:st = [");
    // USD's pictures begin at the bottom.
    let st: Vec<[f32; 2]> = mesh.uvs.iter().map(|t| [t[0], 1.0 - t[1]]).collect();
    tuples(out, st.iter().map(|a| &a[..]), 4);
    out.push_str(
        "] (\n            interpolation = \"vertex\"\n        )\n        uniform token subdivisionScheme = \"none\"\n    }\n\n",
    );
}

fn shader_network(out: &mut String, root: &str, m: &Material) {
    let path = format!("/{root}/Materials/{}", m.name);
    let mut inputs = String::new();
    let c = m.color;
    if m.base_map.is_some() {
        let _ = writeln!(
            inputs,
            "                color3f inputs:diffuseColor.connect = <{path}/BaseColor.outputs:rgb>"
        );
    } else {
        let _ = writeln!(
            inputs,
            "                color3f inputs:diffuseColor = ({}, {}, {})",
            c.x, c.y, c.z
        );
    }
    if m.normal_map.is_some() {
        let _ = writeln!(
            inputs,
            "                normal3f inputs:normal.connect = <{path}/NormalMap.outputs:rgb>"
        );
    }
    let e = m.emissive;
    let _ = write!(
        inputs,
        "                color3f inputs:emissiveColor = ({}, {}, {})\n\
         \x20               float inputs:metallic = {}\n\
         \x20               float inputs:roughness = {}\n\
         \x20               float inputs:opacity = {}\n",
        e.x, e.y, e.z, m.metallic, m.roughness, m.opacity
    );
    let _ = write!(
        out,
        "        def Material \"{}\"\n        {{\n            token outputs:surface.connect = <{path}/Surface.outputs:surface>\n\n\
         \x20           def Shader \"Surface\"\n            {{\n                uniform token info:id = \"UsdPreviewSurface\"\n{inputs}\
         \x20               token outputs:surface\n            }}\n",
        m.name
    );
    if m.base_map.is_some() || m.normal_map.is_some() {
        out.push_str(
            "\n            def Shader \"Coordinates\"\n            {\n                uniform token info:id = \"UsdPrimvarReader_float2\"\n\
             \x20               string inputs:varname = \"st\"\n                float2 outputs:result\n            }\n",
        );
    }
    if let Some(map) = &m.base_map {
        let scale =
            format!("                float4 inputs:scale = ({}, {}, {}, 1)\n", c.x, c.y, c.z);
        texture(out, &path, "BaseColor", map, &scale, "sRGB");
    }
    if let Some(map) = &m.normal_map {
        let scale = "                float4 inputs:bias = (-1, -1, -1, 0)\n                float4 inputs:scale = (2, 2, 2, 1)\n";
        texture(out, &path, "NormalMap", map, scale, "raw");
    }
    out.push_str("        }\n\n");
}

fn texture(out: &mut String, path: &str, shader: &str, map: &Texture, scale: &str, space: &str) {
    let _ = write!(
        out,
        "\n            def Shader \"{shader}\"\n            {{\n                uniform token info:id = \"UsdUVTexture\"\n\
         \x20               asset inputs:file = @textures/{}.jpg@\n{scale}\
         \x20               token inputs:sourceColorSpace = \"{space}\"\n\
         \x20               float2 inputs:st.connect = <{path}/Coordinates.outputs:result>\n\
         \x20               token inputs:wrapS = \"repeat\"\n                token inputs:wrapT = \"repeat\"\n\
         \x20               float3 outputs:rgb\n            }}\n",
        map.name
    );
}

/// Where the bytes of each file in a USDZ must begin: multiples of 64 bytes.
const ALIGNMENT: usize = 64;

/// A zip archive without compression, with the same date in every file.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    fn add(&mut self, name: &str, data: &[u8]) {
        let offset = self.bytes.len() as u32;
        let mut padding =
            (ALIGNMENT - (self.bytes.len() + 30 + name.len()) % ALIGNMENT) % ALIGNMENT;
        // An extra field has a head of four bytes of its own.
        if padding > 0 && padding < 4 {
            padding += ALIGNMENT;
        }
        let mut common = Vec::new();
        for half in [20_u16, 0, 0, 0, 0x21] {
            common.extend_from_slice(&half.to_le_bytes());
        }
        for word in [crc32(data), data.len() as u32, data.len() as u32] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(b"PK\x03\x04");
        self.bytes.extend_from_slice(&common);
        self.bytes.extend_from_slice(&(padding as u16).to_le_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        if padding > 0 {
            self.bytes.extend_from_slice(&0x1986_u16.to_le_bytes());
            self.bytes.extend_from_slice(&(padding as u16 - 4).to_le_bytes());
            self.bytes.resize(self.bytes.len() + padding - 4, 0);
        }
        self.bytes.extend_from_slice(data);
        self.directory.extend_from_slice(b"PK\x01\x02");
        self.directory.extend_from_slice(&20_u16.to_le_bytes());
        self.directory.extend_from_slice(&common);
        self.directory.resize(self.directory.len() + 12, 0);
        self.directory.extend_from_slice(&offset.to_le_bytes());
        self.directory.extend_from_slice(name.as_bytes());
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let offset = self.bytes.len() as u32;
        let size = self.directory.len() as u32;
        self.bytes.append(&mut self.directory);
        self.bytes.extend_from_slice(b"PK\x05\x06");
        for half in [0, 0, self.count, self.count] {
            self.bytes.extend_from_slice(&half.to_le_bytes());
        }
        for word in [size, offset] {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.bytes.extend_from_slice(&0_u16.to_le_bytes());
        self.bytes
    }
}

/// The check sum of zip files (CRC-32, reflected polynomial 0xEDB88320).
fn crc32(data: &[u8]) -> u32 {
    let mut table = [0_u32; 256];
    for (i, entry) in table.iter_mut().enumerate() {
        *entry =
            (0..8).fold(i as u32, |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 });
    }
    !data.iter().fold(!0, |c, b| table[((c ^ u32::from(*b)) & 0xff) as usize] ^ (c >> 8))
}
